#!/usr/bin/env python3
"""One end of a real imagezmq for the fault suite: imagezmq_peer.py SPEC

SPEC, what it says and what it hears: see end_test.go, whose ends do the same. `report` is not for this one, and
it says `gone TEXT` before it leaves because of an exception.
"""

import json
import os
import sys
import threading
import time

import cv2
import imagezmq
import numbered
import numpy as np

LOCK = threading.Lock()
CLOSING = threading.Event()
RUNNING = threading.Event()


def say(*words):
    with LOCK:
        print(*words, flush=True)


def now():
    return time.time_ns() // 1000


def listen(spec):
    for line in sys.stdin:
        word = line.strip()
        if word == "pause":
            RUNNING.clear()
        elif word == "resume":
            RUNNING.set()
        elif word == "close":
            CLOSING.set()
            RUNNING.set()
            if spec["receive"]:
                os._exit(0)  # imagezmq's own calls cannot be interrupted
    if not CLOSING.is_set():
        os._exit(1)  # the test that started this has ended


def send_all(sender, spec):
    first, due = spec.get("first", 0), time.monotonic()
    index, end = first, first + spec.get("frames", 1 << 62)
    while RUNNING.wait() and not CLOSING.is_set() and index < end:
        if spec["fps"]:
            due = max(due + 1 / spec["fps"], time.monotonic())
            time.sleep(max(0, due - time.monotonic()))
        frame = numbered.frame(spec, spec["life"], index, now())  # a new one, which may be sent after this returns
        if spec.get("jpeg"):
            sender.send_jpg("camera", cv2.imencode(".jpg", frame)[1])
        else:
            sender.send_image("camera", frame)
        index += 1
    if "frames" in spec:
        say("sent", index - first)
        CLOSING.wait()
    os._exit(0)  # sender.close() may wait for ever


def receive_all(hub, spec):
    while True:
        if spec.get("jpeg"):
            _, data = hub.recv_jpg()
            frame = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        else:
            _, frame = hub.recv_image()
        if spec["pattern"] == 1:
            hub.send_reply()
        try:
            say("frame", *numbered.read(spec, frame), 0)
        except ValueError as e:
            say("wrong:", e)


def main():
    spec = json.loads(sys.argv[1])
    listens = spec["receive"] == (spec["pattern"] == 1)
    address = "*" if listens else spec["address"]
    RUNNING.set()
    threading.Thread(target=listen, args=(spec,), daemon=True).start()
    kind, run = (imagezmq.ImageHub, receive_all) if spec["receive"] else (imagezmq.ImageSender, send_all)
    end = kind(f"tcp://{address}:{spec['ports'][0]}", REQ_REP=spec["pattern"] == 1)
    say("ready", now())
    run(end, spec)


if __name__ == "__main__":
    try:
        main()
    except Exception as e:  # noqa: BLE001
        say("gone", repr(e))
        os._exit(1)
