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

import imagezmq
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
    frame = np.zeros((40, 64, 3), np.uint8)
    index, due = 0, time.monotonic()
    while RUNNING.wait() and not CLOSING.is_set():
        due = max(due + 1 / spec["fps"], time.monotonic())
        time.sleep(max(0, due - time.monotonic()))
        frame.reshape(-1)[:24] = np.frombuffer(np.array([spec["life"], index, now()], "<i8").tobytes(), np.uint8)
        sender.send_image("camera", frame.copy())  # which may be sent after this returns
        index += 1
    os._exit(0)  # sender.close() may wait for ever


def receive_all(hub, spec):
    while True:
        _, frame = hub.recv_image()
        if spec["pattern"] == 1:
            hub.send_reply()
        life, index, captured = np.frombuffer(frame.reshape(-1)[:24].tobytes(), "<i8")
        say("frame", life, index, captured, 0)


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
