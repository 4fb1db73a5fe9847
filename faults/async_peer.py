#!/usr/bin/env python3
"""One end of a real VidGear NetGear_Async for the fault suite: async_peer.py SPEC

SPEC, what it says and what it hears: see end_test.go, whose ends do the same. `report` is not for this one, and
it says `gone TEXT` before it leaves because NetGear_Async gave up.
"""

import asyncio
import importlib
import os
import sys
import threading
import types

from end import CLOSING, SPEC, answered, frames, leave, numbers, ready, received, run  # before VidGear, which prints

LONG = 1_000_000  # seconds: its default, 15, would end it while frames are held up


def netgear_async():
    """VidGear's class, past its package's __init__, which loads WebGear and needs starlette."""
    import vidgear.gears

    package = types.ModuleType("vidgear.gears.asyncio")
    package.__path__ = [os.path.join(os.path.dirname(vidgear.gears.__file__), "asyncio")]
    sys.modules[package.__name__] = package
    return importlib.import_module("vidgear.gears.asyncio.netgear_async").NetGear_Async


async def generator(gear):
    """Yields the frames. The event loop runs while the next one is awaited."""
    each = frames()
    while (frame := await gear.loop.run_in_executor(None, next, each, None)) is not None:
        yield (numbers(), frame) if SPEC["bidirectional"] else frame
        if SPEC["bidirectional"]:
            answered(await gear.transceive_data())


def send_all(gear):
    gear.config["generator"] = generator(gear)
    gear.launch()
    ready()
    threading.Thread(target=leave_when_closed, daemon=True).start()
    gear.loop.run_until_complete(gear.task)
    gear.close()
    leave(0)


def leave_when_closed():
    """Ends the process some time after the command close: NetGear_Async's close() may wait for ever."""
    CLOSING.wait()
    threading.Event().wait(5)
    leave(0)


async def receive_all(gear):
    async for frame in gear.recv_generator():
        message = None
        if SPEC["bidirectional"]:
            message, frame = frame
        last = received(frame, message=message)
        if SPEC["bidirectional"]:
            await gear.transceive_data(data=last)


def main():
    gear = netgear_async()(
        address=SPEC["address"],
        port=SPEC["ports"][0],
        protocol="tcp",
        pattern=SPEC["pattern"],
        receive_mode=SPEC["receive"],
        timeout=LONG,
        **({"bidirectional_mode": True} if SPEC["bidirectional"] else {}),
    )
    asyncio.set_event_loop(gear.loop)
    if not SPEC["receive"]:
        send_all(gear)
        return
    gear.launch()
    ready()
    gear.loop.run_until_complete(receive_all(gear))
    leave(0, "gone", "recv_generator ended")


if __name__ == "__main__":
    run(main, "async_peer")
