"""What the Python ends of the fault suite have in common. See end_test.go, whose ends do the same."""

import json
import logging
import mmap
import os
import struct
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


def run(main, name):
    """Calls main, and reports an exception as giving up."""
    try:
        main()
    except Exception as e:  # noqa: BLE001
        logging.getLogger(name).exception("failed")
        leave(0, "gone", repr(e))


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


class Progress:
    """The frame whose send call has begun, and the last one whose call has returned, in the file that the spec may name.
    So both are exact after SIGKILL. Its form is that of soak/progress.go."""

    def __init__(self):
        self.file = None
        if SPEC.get("progress"):
            with open(SPEC["progress"], "r+b") as f:
                self.file = mmap.mmap(f.fileno(), 16)
        self.begun = 0

    def begin(self, index):
        self.begun = index
        if self.file:
            struct.pack_into("<q", self.file, 0, index)

    def end(self):
        if self.file:
            struct.pack_into("<q", self.file, 8, self.begun)


PROGRESS = Progress()


def frames():
    """Yields the frames to send, each at its time, until they are sent or the command stop or close. The next one is
    asked for when the send call has returned."""
    first, due = SPEC.get("first", 0), time.monotonic()
    index, end = first, first + SPEC.get("frames", 1 << 62)
    while RUNNING.wait() and not CLOSING.is_set() and not STOPPED.is_set() and index < end:
        if SPEC["fps"]:
            due = max(due + 1 / SPEC["fps"], time.monotonic())
            time.sleep(max(0, due - time.monotonic()))
        frame = numbered.frame(SPEC, SPEC["life"], index, now())  # a new one: imagezmq may send it after its call has returned
        PROGRESS.begin(index)
        yield frame
        PROGRESS.end()
        index += 1
    if "frames" in SPEC:
        say("sent", index - first)
        CLOSING.wait()


def numbers():
    """Returns the numbers of the frame that is being sent, as messages and answers have them."""
    return [SPEC["life"], PROGRESS.begun]


def lost(why):
    """Reports that the frame that is being sent was given up."""
    if "progress" in SPEC:
        say("lost", PROGRESS.begun, why)


def answered(data):
    """Checks the data of the answer to the frame that is being sent."""
    if data is not None and list(data) != numbers():
        say("wrong:", f"the answer to frame {PROGRESS.begun} of life {SPEC['life']} has the data {data!r}")


def received(frame, port=0, message=None):
    """Reports a frame, and returns its numbers as a message. A message that it came with must be the same."""
    try:
        life, index, captured = numbered.read(SPEC, frame)
    except ValueError as e:
        say("wrong:", e)
        return None
    if isinstance(message, dict):
        message = message["message"]  # a Stamp's
    if message is not None and list(message) != [life, index]:
        say("wrong:", f"frame {index} of life {life} has the message {message!r}")
    say("frame", life, index, captured, port)
    return [life, index]
