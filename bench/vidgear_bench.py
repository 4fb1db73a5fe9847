#!/usr/bin/env python3
"""The real VidGear as a contender of the bench: see contender.py."""

import asyncio
import sys
import zlib

import contender


def open_end(args, receive_mode, port):
    from vidgear.gears import NetGear

    options = {"multiserver_mode": True} if args.multiserver else {}
    return NetGear(
        address=args.address,
        port=port,
        protocol=args.protocol,
        pattern=args.pattern,
        receive_mode=receive_mode,
        jpeg_compression=args.jpeg,
        **options,
    )


def open_send(args):
    return open_end(args, False, args.port).send


def open_recv(args):
    ports = args.port.split(",")
    if args.multiserver:
        end = open_end(args, True, ports)
        return [lambda: end.recv()[-1]]  # a tuple: port, frame
    return [open_end(args, True, port).recv for port in ports]


# --- NetGear_Async, which calls instead of being called ----------------------


def run_loop(args, receive_mode, work):
    """Runs a NetGear_Async end in an event loop; work(end) is what is awaited."""
    from vidgear.gears.asyncio import NetGear_Async

    async def main():
        end = NetGear_Async(
            address=args.address, port=args.port, protocol=args.protocol, pattern=args.pattern, receive_mode=receive_mode
        )
        await work(end)

    asyncio.run(main())


def run_async_send(args, _contender):
    frames = contender.load(args)

    async def generator():
        contender.emit("ready")
        for i in range(args.warm):
            yield frames[i % len(frames)]
        contender.emit("warm")
        contender.await_go()
        m = contender.Measure()
        for i in range(args.n):
            yield frames[i % len(frames)]
        m.done(count=args.n)

    async def work(end):
        end.config["generator"] = generator()
        await end.launch().task

    run_loop(args, False, work)


def run_async_recv(args, _contender):
    async def work(end):
        contender.emit("ready")
        count, m = 0, None
        async for frame in end.recv_generator():
            if count == 0:
                checksum = zlib.crc32(frame.tobytes())
            count += 1
            if count == args.warm:
                m = contender.Measure()
                contender.emit("warm", sum=checksum)
            if count == args.warm + args.n:
                m.done(count=args.n)

    run_loop(args, True, work)


ASYNC_ROLES = {"send": run_async_send, "recv": run_async_recv}

if __name__ == "__main__":
    contender.main(sys.modules[__name__])
