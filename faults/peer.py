#!/usr/bin/env python3
"""One end of a real VidGear NetGear for the fault suite: peer.py SPEC

SPEC, what it says and what it hears: see end_test.go, whose ends do the same. `report` is not for this one, and
it says `gone TEXT` before it leaves because VidGear gave up.
"""

import logging
import threading

from end import SPEC, frames, leave, ready, received  # before VidGear, which prints

from vidgear.gears import NetGear


def send_all(gear):
    for frame in frames():
        gear.send(frame)
    gear.close()
    leave(0)


def receive_all(gear):
    returned = "VidGear" if SPEC["bidirectional"] or SPEC["multiclient"] else None
    while (frame := gear.recv(return_data=returned)) is not None:
        port = 0
        if SPEC["multiserver"]:
            port, frame = frame
        elif SPEC["bidirectional"]:
            _, frame = frame
        received(frame, port)
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
    try:
        main()
    except Exception as e:  # noqa: BLE001
        logging.getLogger("peer").exception("failed")
        leave(0, "gone", repr(e))
