"""Cameras of a real imagezmq, in threads of one process. It answers each line of stdin, as children of package main do,
and ends with stdin. See imagezmq.go."""

import json
import os
import sys
import threading
import time

import imagezmq

SPEC = json.loads(os.environ["NETGEAR_SOAK_LOAD_IMAGEZMQ"])
with open(SPEC["jpeg"], "rb") as f:
    JPEG = f.read()
COUNTS = [0] * SPEC["count"]


def camera(index):
    sender = imagezmq.ImageSender(SPEC["address"])
    due = time.monotonic()
    while True:
        if SPEC["fps"] > 0:
            time.sleep(max(0, due - time.monotonic()))
            due = max(due + 1 / SPEC["fps"], time.monotonic())
        sender.send_jpg({"camera": SPEC["first"] + index, "n": COUNTS[index] + 1}, JPEG)
        COUNTS[index] += 1


def answer():
    print(json.dumps({"Sent": sum(COUNTS), "Last": max(COUNTS)}), flush=True)


answer()
for number in range(SPEC["count"]):
    threading.Thread(target=camera, args=[number], daemon=True).start()
for _ in sys.stdin:
    answer()
sys.stdout.flush()
os._exit(0)  # the threads wait for answers
