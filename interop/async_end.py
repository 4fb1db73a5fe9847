"""One end of a real VidGear NetGear_Async: what `peer.py send --async` and `peer.py recv --async` are.

Flags, commands and events are those of peer.py, but for these: a frame that was sent is told of when the generator is
asked for the next one, that is, after its answer; `return` queues data for one answer (transceive_data); a "timeout" is
VidGear's TimeoutError, at either end.
"""

import asyncio
import importlib
import json
import logging
import os
import sys
import time
import types

from peer import Control, LastLog, describe, describe_value, emit, frames, linger_at_close, parse_value, ready, value_of


def netgear_async():
    """VidGear's class, past its package's __init__: that loads WebGear too, and dies where starlette is not installed."""
    import vidgear.gears

    package = types.ModuleType("vidgear.gears.asyncio")
    package.__path__ = [os.path.join(os.path.dirname(vidgear.gears.__file__), "asyncio")]
    sys.modules[package.__name__] = package
    return importlib.import_module("vidgear.gears.asyncio.netgear_async").NetGear_Async


class Ready(logging.Handler):
    """Prints "ready" when VidGear logs that its socket is bound or connected, inside a coroutine."""

    def __init__(self, args):
        super().__init__(logging.CRITICAL)
        self.args = args

    def emit(self, record):
        if "activated" in record.getMessage():
            ready(self.args)


class AsyncEnd:
    def __init__(self, args, receive_mode):
        options = json.loads(args.options)
        self.args = args
        self.bidirectional = options.get("bidirectional_mode") is True
        self.last_log = LastLog()
        log = logging.getLogger("NetGear_Async")
        log.addHandler(self.last_log)
        log.addHandler(Ready(args))
        self.gear = netgear_async()(
            address=args.address,
            port=args.port,
            protocol=args.protocol,
            pattern=args.pattern,
            receive_mode=receive_mode,
            timeout=args.timeout,
            logging=args.logging,
            **options,
        )
        self.loop = self.gear.loop
        asyncio.set_event_loop(self.loop)
        self.control = Control(started=receive_mode or not args.wait_ready)
        self.index = 0
        self.reason = "count"

    def get(self, name):
        return getattr(self.gear, "_NetGear_Async__" + name)

    def run(self, task):
        """Runs the event loop until the task ends."""
        try:
            self.loop.run_until_complete(task)
        except asyncio.TimeoutError:
            self.reason = "timeout"
        except asyncio.CancelledError:
            self.reason = "closed"

    def end(self):
        emit("end", frames=self.index, reason=self.reason, log=self.last_log.text)

    # --- the send end ---

    def send(self):
        args, gear = self.args, self.gear
        self.messages = parse_value(args.messages) if args.messages else []
        self.control.on_messages = self.messages.extend
        self.control.listen()
        gear.config["generator"] = self.generator()
        gear.launch()
        self.run(gear.task)
        if self.reason == "timeout":
            self.end()  # close() would wait for an answer to its terminate message, without a time-out
            return
        if args.linger:
            import zmq

            sock = self.get("msg_socket")
            linger_at_close(sock, args.linger)
            # With a high-water mark of 1 libzmq drops the terminate message until it
            # has processed that the last frame was sent, which it does not check within
            # a millisecond of another call. Reading the events makes it check.
            sock.getsockopt(zmq.EVENTS)
        gear.close()
        if args.linger:
            self.get("msg_context").term()  # waits for what lingers
        self.end()

    async def generator(self):
        args = self.args
        message = parse_value(args.message) if args.message else None
        due = None
        for frame in frames(args, None):
            if not await self.loop.run_in_executor(None, self.control.wait):
                self.reason = "closed"
                return
            if args.fps:
                now = time.monotonic()
                due = now if due is None else max(now, due + 1 / args.fps)
                await asyncio.sleep(due - now)
            m = message
            if self.messages:
                m = self.messages[self.index] if self.index < len(self.messages) else None
            event = {"index": self.index, **describe(frame)}
            if self.bidirectional:
                event["message"] = describe_value(m)
                yield m, frame
                event["reply"] = describe_value(await self.gear.transceive_data())
            else:
                yield frame
            emit("frame", **event)
            self.index += 1
        if args.stay:
            emit("sent", frames=self.index)
            await self.loop.run_in_executor(None, self.wait_for_close)

    def wait_for_close(self):
        with self.control.changed:
            self.control.changed.wait_for(lambda: self.control.closing)

    # --- the receive end ---

    def receive(self):
        self.gear.launch()
        task = self.loop.create_task(self.consume())

        def queue_return(value):
            asyncio.run_coroutine_threadsafe(self.gear.transceive_data(value), self.loop).result()

        self.control.on_return = queue_return
        self.control.on_close = lambda: self.loop.call_soon_threadsafe(task.cancel)
        self.control.listen()
        self.run(task)
        self.gear.close()
        self.end()

    async def consume(self):
        if self.args.returns:
            for value in json.loads(self.args.returns):
                await self.gear.transceive_data(value_of(value))
        async for item in self.gear.recv_generator():
            message, frame = item if self.bidirectional else (None, item)
            event = {"index": self.index, **describe(frame)}
            if message is not None:
                event["message"] = describe_value(message)
            emit("frame", **event)
            self.index += 1
            if self.args.n and self.index == self.args.n:
                return
        self.reason = "terminated"


def run(args):
    end = AsyncEnd(args, receive_mode=args.mode == "recv")
    end.receive() if args.mode == "recv" else end.send()
