#!/usr/bin/env python3
"""VidGear and imagezmq as contenders on weak networks: contender.py SPEC

SPEC, and the lines on stdout: see end.go, whose ends do the same. Both get JPEG with VidGear's defaults. The number of a
frame travels in imagezmq's text. VidGear drops messages in its plain mode, so there it is in the pixels: bits of
black and white blocks at the top, which JPEG keeps.
"""

import json
import logging
import os
import sys
import threading
import time

# Nothing but the protocol may reach stdout: keep the real one, and send every other writer to stderr.
OUT = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)

import numpy as np  # noqa: E402

now = time.monotonic_ns
COUNTS = {"sent": 0, "attempts": 0}
BITS, BLOCK_HEIGHT = 24, 16


def say(*words):
    OUT.write(" ".join(str(w) for w in words) + "\n")
    OUT.flush()


def listen(spec):
    """Ends the process at the end of stdin."""
    sys.stdin.read()
    if not spec["receive"]:
        say("sent", COUNTS["sent"], COUNTS["attempts"])
    os._exit(0)


def stamp(frame, index):
    width = frame.shape[1] // BITS
    bits = (index >> np.arange(BITS)) & 1
    frame[:BLOCK_HEIGHT, : width * BITS] = np.repeat(bits * 255, width).astype(np.uint8)[None, :, None]


def index_of(frame):
    width = frame.shape[1] // BITS
    row = frame[BLOCK_HEIGHT // 2, width // 2 : width * BITS : width, 1]
    return int(((row > 127).astype(np.int64) << np.arange(BITS)).sum())


class VidGear:
    def __init__(self, spec):
        from vidgear.gears import NetGear

        # More retries than there will be time-outs: VidGear counts them down and never up again.
        options = {"max_retries": 1_000_000} if spec["pattern"] < 2 else {}
        self.gear = NetGear(
            address=spec["address"], port=spec["port"], protocol="tcp", pattern=spec["pattern"], receive_mode=spec["receive"], **options
        )

    def send(self, frame, index):
        stamp(frame, index)
        self.gear.send(frame)

    def recv(self):
        frame = self.gear.recv()
        if frame is None:
            raise RuntimeError("recv returned None")
        return now(), index_of(frame), frame.shape[1], 0


class ImageZMQ:
    def __init__(self, spec):
        import imagezmq

        self.replies = spec["pattern"] == 1
        if spec["receive"]:
            self.hub = imagezmq.ImageHub(f"tcp://{spec['address']}:{spec['port']}", REQ_REP=self.replies)
            return
        self.sender = imagezmq.ImageSender(f"tcp://{spec['address']}:{spec['port']}", REQ_REP=self.replies)

    def send(self, frame, index):
        import simplejpeg

        self.sender.send_jpg(str(index), simplejpeg.encode_jpeg(frame, 90, "BGR", "422", fastdct=True))

    def recv(self):
        import simplejpeg

        text, jpeg = self.hub.recv_jpg()
        if self.replies:
            self.hub.send_reply()
        size = len(jpeg)
        frame = simplejpeg.decode_jpeg(bytes(jpeg), "BGR", fastdct=True, fastupsample=False)
        return now(), int(text), frame.shape[1], size


def send_all(spec, end):
    frames = np.fromfile(spec["frames"], np.uint8).reshape(-1, spec["height"], spec["width"], 3)
    period = int(1e9 / spec["fps"])
    start, following = now(), 0
    say("start", start)
    while True:
        # As a camera that keeps only the newest frame.
        following = max(following, (now() - start) // period)
        time.sleep(max(0, start + following * period - now()) / 1e9)
        COUNTS["attempts"] += 1
        end.send(frames[following % len(frames)], following)
        COUNTS["sent"] += 1
        following += 1


def receive_all(end):
    while True:
        at, index, width, size = end.recv()
        say("frame", index, at, width, size)


def make_frames(spec):
    """Decodes the beginning of a video, scaled, to a file of raw pixels that all contenders read."""
    import cv2

    video = cv2.VideoCapture(spec["video"])
    with open(spec["frames"], "wb") as out:
        for _ in range(spec["count"]):
            ok, frame = video.read()
            if not ok:
                raise OSError(f"cannot read {spec['count']} frames of {spec['video']}")
            cv2.resize(frame, (spec["width"], spec["height"]), interpolation=cv2.INTER_CUBIC).tofile(out)


def main():
    spec = json.loads(sys.argv[1])
    if "video" in spec:
        make_frames(spec)
        return
    threading.Thread(target=listen, args=(spec,), daemon=True).start()
    end = {"VidGear": VidGear, "imagezmq": ImageZMQ}[spec["contender"]](spec)
    if spec["receive"]:
        receive_all(end)
    else:
        send_all(spec, end)


if __name__ == "__main__":
    try:
        main()
    except Exception as e:  # noqa: BLE001
        logging.getLogger("weak").exception("failed")
        say("sent", COUNTS["sent"], COUNTS["attempts"])
        say("gone", repr(e))
        os._exit(0)
