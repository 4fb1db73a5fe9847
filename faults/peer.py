#!/usr/bin/env python3
"""One end of a real VidGear NetGear for the fault suite: peer.py SPEC

SPEC, what it says and what it hears: see end_test.go, whose ends do the same. `report` is not for this one, and
it says `gone TEXT` before it leaves because VidGear gave up.
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

import numbered  # noqa: E402
from vidgear.gears import NetGear  # noqa: E402

LOCK = threading.Lock()
CLOSING = threading.Event()
RUNNING = threading.Event()


def say(*words):
    with LOCK:
        OUT.write(" ".join(str(w) for w in words) + "\n")
        OUT.flush()


def leave(*words):
    say(*words)
    sys.stderr.flush()
    os._exit(0)  # VidGear's own threads must not hold this up


def now():
    return time.time_ns() // 1000


def listen(gear, spec):
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
                os._exit(0)  # VidGear's close() would take the socket away under its thread
    if not CLOSING.is_set():
        os._exit(1)  # the test that started this has ended


def send_all(gear, spec):
    first, due = spec.get("first", 0), time.monotonic()
    index, end = first, first + spec.get("frames", 1 << 62)
    while RUNNING.wait() and not CLOSING.is_set() and index < end:
        if spec["fps"]:
            due = max(due + 1 / spec["fps"], time.monotonic())
            time.sleep(max(0, due - time.monotonic()))
        gear.send(numbered.frame(spec, spec["life"], index, now()))
        index += 1
    if "frames" in spec:
        say("sent", index - first)
        CLOSING.wait()
    gear.close()
    os._exit(0)


def receive_all(gear, spec):
    returned = "VidGear" if spec["bidirectional"] or spec["multiclient"] else None
    while (frame := gear.recv(return_data=returned)) is not None:
        port = 0
        if spec["multiserver"]:
            port, frame = frame
        elif spec["bidirectional"]:
            _, frame = frame
        try:
            say("frame", *numbered.read(spec, frame), port)
        except ValueError as e:
            say("wrong:", e)
    leave("gone", "recv returned None")


def main():
    spec = {"bidirectional": False, "multiserver": False, "multiclient": False, **json.loads(sys.argv[1])}
    options = {"jpeg_compression": spec.get("jpeg", False)}
    if spec["pattern"] < 2:
        # More retries than there will be time-outs: VidGear counts them down and never up again.
        options |= {"max_retries": 1_000_000, "request_timeout": max(4, spec["timeout"])}
    for mode in ("bidirectional", "multiserver", "multiclient"):
        if spec[mode]:
            options[mode + "_mode"] = True
    if spec["secure"]:
        options |= {"secure_mode": spec["secure"], "custom_cert_location": spec["keys"]}
    gear = NetGear(
        address=spec["address"],
        port=spec["ports"] if spec["multiserver" if spec["receive"] else "multiclient"] else spec["ports"][0],
        protocol="tcp",
        pattern=spec["pattern"],
        receive_mode=spec["receive"],
        **options,
    )
    threading.excepthook = lambda info: leave("gone", "receive thread:", repr(info.exc_value))
    RUNNING.set()
    threading.Thread(target=listen, args=(gear, spec), daemon=True).start()
    say("ready", now())
    if spec["receive"]:
        receive_all(gear, spec)
    else:
        send_all(gear, spec)


if __name__ == "__main__":
    try:
        main()
    except Exception as e:  # noqa: BLE001
        logging.getLogger("peer").exception("failed")
        leave("gone", repr(e))
