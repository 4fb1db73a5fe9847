#!/usr/bin/env python3
"""One end of a real imagezmq for the fault suite: imagezmq_peer.py SPEC

SPEC, what it says and what it hears: see end_test.go, whose ends do the same. `report` is not for this one, and
it says `gone TEXT` before it leaves because of an exception.
"""

import cv2
import imagezmq
import numpy as np

from end import SPEC, frames, leave, ready, received, run


def main():
    lockstep = SPEC["pattern"] == 1
    kind = imagezmq.ImageHub if SPEC["receive"] else imagezmq.ImageSender
    address = "*" if SPEC["receive"] == lockstep else SPEC["address"]
    end = kind(f"tcp://{address}:{SPEC['ports'][0]}", REQ_REP=lockstep)
    ready()
    while SPEC["receive"]:
        if SPEC.get("jpeg"):
            _, data = end.recv_jpg()
            frame = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        else:
            _, frame = end.recv_image()
        if lockstep:
            end.send_reply()
        received(frame)
    for frame in frames():
        if SPEC.get("jpeg"):
            end.send_jpg("camera", cv2.imencode(".jpg", frame)[1])
        else:
            end.send_image("camera", frame)
    leave(0)  # close() may wait for ever


if __name__ == "__main__":
    run(main, "imagezmq_peer")
