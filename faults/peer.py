#!/usr/bin/env python3
"""One end of a real VidGear NetGear for the fault suite: peer.py SPEC

SPEC, what it says and what it hears: see end_test.go, whose ends do the same. `report` is not for this one, and
it says `gone TEXT` before it leaves because VidGear gave up.
"""

import logging
import threading

from end import SPEC, answered, frames, leave, lost, numbers, ready, received, run  # before VidGear, which prints

from vidgear.gears import NetGear

# The fault suite's messages are texts, the soak's are numbers.
NUMBERS = "progress" in SPEC


class GivenUp(logging.Handler):
    """Reports the frames that VidGear's send end gives up. It says so in its log alone."""

    def emit(self, record):
        if "No response from Client" in record.getMessage():
            lost("no answer")


def send_all(gear):
    logging.getLogger("NetGear").addHandler(GivenUp())
    exchanges = NUMBERS and SPEC["pattern"] < 2
    messages = NUMBERS and (SPEC["bidirectional"] or SPEC["multiserver"])
    for frame in frames():
        returned = gear.send(frame, message=numbers() if messages else None)
        if exchanges and SPEC["multiclient"] and returned is not None:
            _, returned = returned
        if exchanges and (SPEC["bidirectional"] or SPEC["multiclient"]):
            answered(returned)
    gear.close()
    leave(0)


def receive_all(gear):
    returns = SPEC["bidirectional"] or SPEC["multiclient"]
    returned = "VidGear" if returns and not NUMBERS else None
    while (frame := gear.recv(return_data=returned)) is not None:
        port, message = 0, None
        if SPEC["multiserver"]:
            port, *message, frame = frame
            message = message[0] if message else None
        elif SPEC["bidirectional"]:
            message, frame = frame
        last = received(frame, port, message)
        if NUMBERS and returns:
            returned = last
    leave(0, "gone", "recv returned None")


def main():
    options = {"jpeg_compression": SPEC.get("jpeg", False)}
    if SPEC["pattern"] < 2:
        # More retries than there will be time-outs: VidGear counts them down and never up again.
        options |= {"max_retries": 1_000_000, "request_timeout": max(4, SPEC["timeout"])}
    for mode in ("bidirectional", "multiserver", "multiclient"):
        if SPEC[mode]:
            options[mode + "_mode"] = True
    if SPEC["secure"]:
        options |= {"secure_mode": SPEC["secure"], "custom_cert_location": SPEC["keys"]}
    gear = NetGear(
        address=SPEC["address"],
        port=SPEC["ports"] if SPEC["multiserver" if SPEC["receive"] else "multiclient"] else SPEC["ports"][0],
        protocol="tcp",
        pattern=SPEC["pattern"],
        receive_mode=SPEC["receive"],
        **options,
    )
    threading.excepthook = lambda info: leave(0, "gone", "receive thread:", repr(info.exc_value))
    ready()
    if SPEC["receive"]:
        receive_all(gear)
    else:
        send_all(gear)


if __name__ == "__main__":
    run(main, "peer")
