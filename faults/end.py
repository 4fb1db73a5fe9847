"""What the Python ends of the fault suite have in common. See end_test.go, whose ends do the same."""

import json
import os
import sys
import threading
import time

# Nothing but the protocol may reach stdout: keep the real one, and send every other writer to stderr.
OUT = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)

import numbered  # noqa: E402

SPEC = {"bidirectional": False, "multiserver": False, "multiclient": False, **json.loads(sys.argv[1])}
LOCK = threading.Lock()
CLOSING = threading.Event()
STOPPED = threading.Event()
RUNNING = threading.Event()


def say(*words):
    with LOCK:
        OUT.write(" ".join(str(w) for w in words) + "\n")
        OUT.flush()


def leave(status, *words):
    """Ends the process at once: the threads of VidGear and imagezmq must not hold it up."""
    if words:
        say(*words)
    sys.stderr.flush()
    os._exit(status)


def now():
    return time.time_ns() // 1000


def ready():
    """Says that the end exists, and reads commands from now on."""
    RUNNING.set()
    threading.Thread(target=listen, daemon=True).start()
    say("ready", now())


def listen():
    for line in sys.stdin:
        word = line.strip()
        if word == "pause":
            RUNNING.clear()
        elif word == "resume":
            RUNNING.set()
        elif word == "stop":
            STOPPED.set()
            RUNNING.set()
        elif word == "close":
            CLOSING.set()
            RUNNING.set()
            if SPEC["receive"]:
                leave(0)  # calls cannot be interrupted, and VidGear's close() would take the socket away under its thread
    if not CLOSING.is_set():
        leave(1)  # the test that started this has ended


def frames():
    """Yields the frames to send, each at its time, until they are sent or the command stop or close."""
    first, due = SPEC.get("first", 0), time.monotonic()
    index, end = first, first + SPEC.get("frames", 1 << 62)
    while RUNNING.wait() and not CLOSING.is_set() and not STOPPED.is_set() and index < end:
        if SPEC["fps"]:
            due = max(due + 1 / SPEC["fps"], time.monotonic())
            time.sleep(max(0, due - time.monotonic()))
        yield numbered.frame(SPEC, SPEC["life"], index, now())  # a new one: imagezmq may send it after its call has returned
        index += 1
    if "frames" in SPEC:
        say("sent", index - first)
        CLOSING.wait()


def received(frame, port=0):
    try:
        say("frame", *numbered.read(SPEC, frame), port)
    except ValueError as e:
        say("wrong:", e)
