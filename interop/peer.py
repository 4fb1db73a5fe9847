#!/usr/bin/env python3
"""One end of a real VidGear NetGear, driven by the interop tests.

    peer.py send    --port 5555 --options '{"jpeg_compression": false}' --source video FILE --n 20
    peer.py recv    --port 5555 --pattern 1 --n 20
    peer.py expect  --options '{"jpeg_compression": "GRAY"}' --source npy-dir DIR
    peer.py versions

With --async, send and recv are ends of a NetGear_Async (async_end.py), with --imagezmq of imagezmq (imagezmq_end.py).

What it says: one JSON object per line on stdout, flushed at once. VidGear's own log goes to stderr.

    {"event": "ready", ...}      the NetGear object exists
    {"event": "frame", ...}      one frame was sent (after `send` returned) or handed out by `recv`
    {"event": "return", ...}     the command `return` took effect
    {"event": "paused"}, {"event": "resumed"}
    {"event": "end", ...}        "reason": "count" (--n reached, or the source's end), "closed" (the command),
                                 "terminated" (the other end said so), "abandoned" (VidGear's retries used up),
                                 "timeout" (pattern 2: EAGAIN, as of subscriber_timeout; --async: TimeoutError);
                                 "log": VidGear's last warning or worse
    {"event": "error", ...}      an exception, also one that killed VidGear's receive thread

A frame has "index", "shape", "dtype" (numpy's name, no byte order) and "sha256" (of the elements in C order,
little-endian), and where there is one "message", "port", "reply", "reply_port". An array in a message or a
reply is described by its own shape, dtype and sha256. At a send end with JPEG on, shape, dtype and sha256 are of
the frame as a receive end will decode it (VidGear's defaults there, or --peer-options), and "raw_sha256" is of
the frame before compression. `expect` says the same of each frame without sending it.

What it hears, one command per line on stdin (the end of a pipe there means `close`):

    go, go N         start sending (with --wait-ready); with N, that many frames and no more before the next `go`
    messages JSON    what --messages gives, for lists too long for a command line (with --wait-ready)
    pause, resume    hold sending or receiving between two frames
    return JSON      the data that answers carry from now on (recv); an event says when
    close            send end: close the NetGear end, which tells the other end; receive end: leave
    exit             leave without closing anything, as a crash would

JSON given to --message, --messages, --return, --returns and `return` is Python's (NaN and big integers too), and
has words of its own: {"$tuple": [...]} is a tuple, {"$bytes": HEX} is bytes, {"$array": {"shape": [4, 6, 3], "dtype": "uint8", "seed": 1}}
an array of synthetic pixels, {"$npy": FILE} the array in a .npy file, {"$dict": [[KEY, VALUE], ...]} a dictionary with any keys,
{"$complex": [RE, IM]} a complex number, {"$timestamp": [SECONDS, NANOSECONDS]} and {"$ext": [TYPE, HEX]} msgpack's Timestamp and ExtType.
"""

import argparse
import hashlib
import importlib
import json
import logging
import os
import stat
import sys
import threading
import time

# Nothing but events may reach stdout: keep the real one, and send every other writer to stderr.
EVENTS = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)

import numpy as np  # noqa: E402

EMIT_LOCK = threading.Lock()
FOUR_CHANNELS = {"RGBX", "BGRX", "XBGR", "XRGB", "RGBA", "BGRA", "ABGR", "ARGB", "CMYK"}


def emit(event, **fields):
    with EMIT_LOCK:
        EVENTS.write(json.dumps({"event": event, **fields}) + "\n")
        EVENTS.flush()


# --- pixels and values -------------------------------------------------------


def sha256(array):
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return hashlib.sha256(little.tobytes()).hexdigest()


def describe(array):
    return {"shape": list(array.shape), "dtype": array.dtype.name, "sha256": sha256(array)}


def describe_value(value):
    """A message or a reply as JSON can carry it."""
    if isinstance(value, np.ndarray):
        return describe(value)
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    if isinstance(value, dict):
        if all(isinstance(k, str) for k in value):
            return {k: describe_value(v) for k, v in value.items()}
        return {"$dict": [[describe_value(k), describe_value(v)] for k, v in value.items()]}
    if type(value) in (list, tuple):  # an ExtType is a tuple too
        return [describe_value(v) for v in value]
    if type(value).__name__ == "Timestamp":
        return {"$timestamp": [value.seconds, value.nanoseconds]}
    if type(value).__name__ == "ExtType":
        return {"$ext": [value.code, value.data.hex()]}
    if isinstance(value, complex):
        return {"$complex": [value.real, value.imag]}
    return value


def synthetic(shape, dtype="uint8", seed=0, index=0):
    """An array whose bytes, little-endian, are b[i] = (7*i + 3*(i>>8) + 31*index + 17*seed) mod 256; a bool takes bit 0."""
    dtype = np.dtype(dtype)
    count = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    i = np.arange(count, dtype=np.int64)
    data = ((7 * i + 3 * (i >> 8) + 31 * index + 17 * seed) & 0xFF).astype(np.uint8)
    if dtype.kind == "b":
        return (data & 1).astype(bool).reshape(shape)
    little = np.frombuffer(data.tobytes(), dtype=dtype.newbyteorder("<")).reshape(shape)
    return little.astype(dtype)


def value_of(obj):
    """Plain JSON to a Python value, with this program's own words."""
    if isinstance(obj, list):
        return [value_of(x) for x in obj]
    if isinstance(obj, dict):
        if set(obj) == {"$tuple"}:
            return tuple(value_of(x) for x in obj["$tuple"])
        if set(obj) == {"$array"}:
            spec = obj["$array"]
            return synthetic(spec["shape"], spec.get("dtype", "uint8"), spec.get("seed", 0), spec.get("index", 0))
        if set(obj) == {"$bytes"}:
            return bytes.fromhex(obj["$bytes"])
        if set(obj) == {"$npy"}:
            return np.load(obj["$npy"])
        if set(obj) == {"$dict"}:
            return {value_of(k): value_of(v) for k, v in obj["$dict"]}
        if set(obj) == {"$complex"}:
            return complex(*obj["$complex"])
        if set(obj) == {"$timestamp"} or set(obj) == {"$ext"}:
            return packed_value(obj)
        return {k: value_of(v) for k, v in obj.items()}
    return obj


def packed_value(obj):
    """A value of a type that msgpack has and Python has not."""
    import msgpack

    if "$timestamp" in obj:
        return msgpack.Timestamp(*obj["$timestamp"])
    code, data = obj["$ext"]
    return msgpack.ExtType(code, bytes.fromhex(data))


def parse_value(text):
    return value_of(json.loads(text))


# --- where frames come from --------------------------------------------------


def source_video(path):
    import cv2

    while True:  # from the start again at its end; --n or the caller's count stops it
        capture = cv2.VideoCapture(path)
        if not capture.isOpened():
            raise OSError(f"cannot open the video {path}")
        frames = 0
        while True:
            ok, frame = capture.read()
            if not ok:
                break
            frames += 1
            yield frame
        capture.release()
        if frames == 0:
            raise OSError(f"no frame in the video {path}")
        yield None  # the end of one round


def source_npy_dir(path):
    names = sorted(n for n in os.listdir(path) if n.endswith(".npy"))
    if not names:
        raise OSError(f"no .npy file in {path}")
    while True:
        for name in names:
            yield np.load(os.path.join(path, name))
        yield None


def source_synthetic(seed, size, channels, dtype):
    width, height = size or (320, 240)
    shape = (height, width) if channels == 0 else (height, width, channels)
    index = 0
    while True:
        yield synthetic(shape, dtype, seed, index)
        index += 1


def source_cases(cases):
    """A list of {"shape", "dtype", "seed"}: one frame each."""
    while True:
        for i, case in enumerate(cases):
            yield synthetic(case["shape"], case.get("dtype", "uint8"), case.get("seed", 0), i)
        yield None


def open_source(args):
    kind, *rest = args.source or ["synthetic", "0"]
    if kind == "synthetic":
        seed = int(rest[0]) if rest else 0
        return source_synthetic(seed, args.size, 0 if args.gray else args.channels, args.dtype or "uint8"), False
    if len(rest) != 1:
        raise ValueError(f"--source {kind} needs one argument")
    if kind == "video":
        return source_video(rest[0]), True
    if kind == "npy-dir":
        return source_npy_dir(rest[0]), False
    if kind == "cases":
        return source_cases(json.loads(rest[0])), False
    raise ValueError(f"unknown source {kind}: video, npy-dir, synthetic or cases")


def shape_video_frame(frame, args, colorspace):
    """A BGR frame of a video in the size, channels and dtype asked for, and fit for the JPEG colourspace."""
    import cv2

    if args.size:
        frame = cv2.resize(frame, args.size, interpolation=cv2.INTER_AREA)
    if args.gray or colorspace == "GRAY":
        frame = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    elif colorspace in FOUR_CHANNELS or args.channels == 4:
        frame = cv2.cvtColor(frame, cv2.COLOR_BGR2BGRA)
    if args.dtype:
        frame = frame.astype(args.dtype)
    return frame


def frames(args, colorspace):
    """The frames to send: args.n of them, or one round of a source that has an end."""
    source, is_video = open_source(args)
    sent = 0
    for frame in source:
        if frame is None:
            if not args.n:
                return
            continue
        yield shape_video_frame(frame, args, colorspace) if is_video else frame
        sent += 1
        if args.n and sent >= args.n:
            return


# --- what a receive end will see of a JPEG -----------------------------------


class Jpeg:
    """VidGear's compression, made again from its options to know what the other end decodes."""

    def __init__(self, options, peer_options):
        setting = options.get("jpeg_compression", True)
        self.on = bool(setting) if isinstance(setting, bool) else True
        names = FOUR_CHANNELS | {"RGB", "BGR", "GRAY"}
        named = isinstance(setting, str) and setting.strip().upper() in names
        self.colorspace = setting.strip().upper() if named else "BGR"
        quality = options.get("jpeg_compression_quality", 90)
        valid = isinstance(quality, (int, float)) and not isinstance(quality, bool) and 10 <= quality <= 100
        self.quality = int(quality) if valid else 90
        self.fastdct = self.flag(options, "jpeg_compression_fastdct", True)
        self.decode_fastdct = self.fastdct or self.flag(peer_options, "jpeg_compression_fastdct", True)
        self.fastupsample = self.flag(options, "jpeg_compression_fastupsample", False) or self.flag(
            peer_options, "jpeg_compression_fastupsample", False
        )

    @staticmethod
    def flag(options, name, default):
        value = options.get(name, default)
        return value if isinstance(value, bool) else default

    def roundtrip(self, frame):
        import simplejpeg

        frame = np.ascontiguousarray(frame)
        if self.colorspace == "GRAY":
            if frame.ndim == 2:
                frame = frame[:, :, np.newaxis]
            data = simplejpeg.encode_jpeg(frame, quality=self.quality, colorspace="GRAY", fastdct=self.fastdct)
        else:
            data = simplejpeg.encode_jpeg(
                frame,
                quality=self.quality,
                colorspace=self.colorspace,
                colorsubsampling="422",
                fastdct=self.fastdct,
            )
        out = simplejpeg.decode_jpeg(
            data, colorspace=self.colorspace, fastdct=self.decode_fastdct, fastupsample=self.fastupsample
        )
        if self.colorspace == "GRAY" and out.ndim == 3:
            out = np.squeeze(out, axis=2)
        return out


# --- commands from the test --------------------------------------------------


class Control:
    """The commands on stdin, read in a thread of their own."""

    def __init__(self, started):
        self.changed = threading.Condition()
        self.started = started
        self.budget = None  # of frames, where `go N` gave one
        self.paused = False
        self.closing = False
        self.stopped = False  # `wait` has returned False
        self.on_close = lambda: None
        self.on_return = lambda value: None
        self.on_messages = lambda values: None

    def listen(self):
        threading.Thread(target=self.read, name="stdin", daemon=True).start()

    def read(self):
        try:
            for line in sys.stdin:
                word, _, rest = line.strip().partition(" ")
                if word:
                    self.command(word, rest)
        except Exception as e:  # noqa: BLE001
            emit("error", error=repr(e), where="stdin")
        try:
            mode = os.fstat(0).st_mode
        except OSError:
            return
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):  # the test that started this has ended
            self.command("close", "")

    def command(self, word, rest):
        if word == "exit":
            os._exit(0)
        if word == "return":
            value = parse_value(rest)
            self.on_return(value)
            emit("return", value=describe_value(value))
            return
        if word == "messages":
            self.on_messages(parse_value(rest))
            return
        with self.changed:
            if word == "go":
                self.started = True
                self.budget = (self.budget or 0) + int(rest) if rest else None
            elif word == "pause":
                self.paused = True
            elif word == "resume":
                self.paused = False
            elif word == "close":
                self.closing = True
            else:
                raise ValueError(f"unknown command {word}")
            self.changed.notify_all()
        if word == "close":
            self.on_close()

    def wait(self):
        """Blocks while not started or paused. False: it is time to close."""
        with self.changed:
            if self.started and self.paused and not self.closing:
                emit("paused")
                self.changed.wait_for(lambda: self.closing or not self.paused)
                emit("resumed")
            self.changed.wait_for(lambda: self.closing or (self.started and not self.paused and self.budget != 0))
            if self.budget:
                self.budget -= 1
            self.stopped = self.closing
            return not self.stopped

    def paced(self, args, source):
        """Yields the frames of a send end, each at its time, until `wait` says that it is time to close."""
        due = None
        while self.wait():
            frame = next(source, None)
            if frame is None:
                return
            if args.fps:
                now = time.monotonic()
                due = now if due is None else due + 1 / args.fps
                if due > now:
                    time.sleep(due - now)
            yield frame

    def reason(self):
        """Why the end stops, if its peer is not the reason."""
        return "closed" if self.stopped else "count"


# --- the NetGear end ---------------------------------------------------------


class LastLog(logging.Handler):
    """Stores VidGear's last warning or error, the reason why an end gave up."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.text = None

    def emit(self, record):
        self.text = record.getMessage()


def linger_at_close(sock, milliseconds):
    """Makes a socket linger although VidGear sets LINGER to 0."""
    import zmq

    set_option = sock.setsockopt

    def setsockopt(option, value):
        set_option(option, milliseconds if option == zmq.LINGER else value)

    object.__setattr__(sock, "setsockopt", setsockopt)


class End:
    """A NetGear object, and the private facts of it that a test needs."""

    def __init__(self, args, options, receive_mode):
        from vidgear.gears import NetGear

        self.last_log = LastLog()
        logging.getLogger("NetGear").addHandler(self.last_log)
        ports = args.port.split(",") if args.port is not None else None
        if ports and args.int_port:
            ports = [int(p) for p in ports]
        many = options.get("multiserver_mode" if receive_mode else "multiclient_mode") is True
        port = ports if many or ports is None else ports[0]
        self.gear = NetGear(
            address=args.address,
            port=port,
            protocol=args.protocol,
            pattern=args.pattern,
            receive_mode=receive_mode,
            logging=args.logging,
            **options,
        )

    def get(self, name):
        return getattr(self.gear, "_NetGear__" + name, None)

    def stop_recv(self):
        """Makes a `recv` that waits return None."""
        setattr(self.gear, "_NetGear__terminate", True)

    def set_return(self, value):
        """What `recv(return_data=value)` sets; here None works too, and no frame is taken."""
        setattr(self.gear, "_NetGear__return_data", value)

    def keep_goodbye(self, milliseconds):
        """Gives a send end's last message time to leave.

        VidGear sets LINGER to 0 right after the goodbye and closes. Patterns 0 and 1 wait for an answer before that;
        with pattern 2 the goodbye mostly never leaves the process. And with a high-water mark of 1 it must not follow
        a frame too closely.
        """
        time.sleep(0.3)
        linger_at_close(self.get("msg_socket"), milliseconds)

    def close_sender(self):
        """Closes a send end.

        VidGear waits a fifth of request_timeout for an answer to its last message, which not every receive end gives.
        That is no longer than by default here, however long request_timeout is.
        """
        setattr(self.gear, "_NetGear__request_timeout", min(self.get("request_timeout") or 0, 4000))
        self.gear.close()

    def gave_up(self):
        return self.get("max_retries") == 0

    def timed_out(self):
        return "Connection Timeout" in (self.last_log.text or "")

    def stopped_by_peer(self):
        if self.gave_up():
            return "abandoned"
        return "timeout" if self.timed_out() else "terminated"


def ready(args, **more):
    emit("ready", mode=args.mode, pattern=args.pattern, port=args.port, pid=os.getpid(), **more)


def describe_sent(frame, jpeg):
    """A frame as the receive end will see it."""
    if not jpeg.on:
        return describe(frame)
    return {**describe(jpeg.roundtrip(frame)), "raw_sha256": sha256(frame), "raw_shape": list(frame.shape)}


def run_expect(args):
    jpeg = Jpeg(json.loads(args.options), json.loads(args.peer_options))
    index = 0
    for frame in frames(args, jpeg.colorspace if jpeg.on else None):
        emit("frame", index=index, **describe_sent(frame, jpeg))
        index += 1
    emit("end", frames=index, reason="count")


def run_send(args):
    options = json.loads(args.options)
    jpeg = Jpeg(options, json.loads(args.peer_options))
    multiclient = options.get("multiclient_mode") is True
    messages = parse_value(args.messages) if args.messages else []
    message = parse_value(args.message) if args.message else None
    source = frames(args, jpeg.colorspace if jpeg.on else None)

    end = End(args, options, receive_mode=False)
    control = Control(started=not args.wait_ready)
    control.on_messages = messages.extend
    control.listen()
    ready(args)

    index = 0
    for frame in control.paced(args, source):
        m = message
        if messages:
            m = messages[index] if index < len(messages) else None
        event = {"index": index, **describe_sent(frame, jpeg)}
        if m is not None:
            event["message"] = describe_value(m)
        reply = end.gear.send(frame, message=m)
        if multiclient and reply is not None:
            event["reply_port"], reply = reply
        event["reply"] = describe_value(reply)
        if isinstance(end.get("max_retries"), int):
            event["retries_left"] = end.get("max_retries")
        emit("frame", **event)
        index += 1
    if args.linger:
        end.keep_goodbye(args.linger)
    if args.stay and not control.stopped:
        emit("sent", frames=index)
        with control.changed:
            control.changed.wait_for(lambda: control.closing)
    end.close_sender()
    if args.linger:
        end.get("msg_context").term()  # waits for what lingers
    emit("end", frames=index, reason=control.reason(), log=end.last_log.text)


def split_received(item, options):
    """What `recv` handed out, in each of its shapes: (port, message, frame)."""
    if isinstance(item, np.ndarray):
        return None, None, item
    if options.get("multiserver_mode") is True:
        if len(item) == 3:
            return item
        return item[0], None, item[1]
    return None, item[0], item[1]


def run_recv(args):
    options = json.loads(args.options)
    returns = [value_of(r) for r in json.loads(args.returns)] if args.returns else None
    standing = parse_value(args.return_data) if args.return_data else None

    end = End(args, options, receive_mode=True)
    # Set before any frame can be answered, so that the first answer carries it.
    end.set_return(returns[0] if returns else standing)

    died = threading.Event()

    def thread_died(info):  # VidGear's recv() would wait for ever
        died.set()
        emit("error", error=repr(info.exc_value), where=info.thread.name if info.thread else None)
        end.stop_recv()

    threading.excepthook = thread_died
    control = Control(started=True)
    control.on_close = end.stop_recv

    control.on_return = end.set_return
    control.listen()
    ready(args)

    index, reason = 0, "count"
    while not args.n or index < args.n:
        if not control.wait():
            reason = "closed"
            break
        item = end.gear.recv(return_data=returns[index] if returns and index < len(returns) else None)
        if item is None:
            reason = "closed" if control.closing else "error" if died.is_set() else end.stopped_by_peer()
            break
        port, message, frame = split_received(item, options)
        event = {"index": index, **describe(frame)}
        if message is not None:
            event["message"] = describe_value(message)
        if port is not None:
            event["port"] = port
        emit("frame", **event)
        index += 1
    emit("end", frames=index, reason=reason, log=end.last_log.text)
    # VidGear's close() takes the socket away under its receive thread: that thread then dies of ENOTSOCK, or with
    # pattern 2 libzmq aborts the process. While the thread lives, leaving does the same on the wire, and quietly.
    if not end.get("thread").is_alive():
        end.gear.close()
    return 1 if died.is_set() else 0


def run_other(name):
    """Runs an end of another class than NetGear, which a module has."""

    def run(args):
        sys.modules["peer"] = sys.modules["__main__"]  # this module, which must not be loaded a second time
        return importlib.import_module(name).run(args)

    return run


def run_versions(_args):
    import importlib.metadata as metadata

    import zmq

    names = ("vidgear", "imagezmq", "pyzmq", "simplejpeg", "numpy", "opencv-python-headless", "msgpack", "msgpack-numpy")
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    import vidgear.gears  # noqa: F401

    emit("versions", python=sys.version.split()[0], libzmq=zmq.zmq_version(), **found)


# --- the command line --------------------------------------------------------


def size(text):
    width, _, height = text.partition("x")
    return int(width), int(height)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    modes = parser.add_subparsers(dest="mode", required=True)

    basic = argparse.ArgumentParser(add_help=False)
    basic.add_argument("--options", default="{}", help="VidGear's option dictionary as JSON")
    basic.add_argument("--n", type=int, default=0, help="frames; 0: to the end")

    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--address", help="NetGear's address; VidGear's default when left out")
    shared.add_argument("--port", help="NetGear's port; a comma list in multi-server and multi-client mode")
    shared.add_argument("--int-port", action="store_true", help="give VidGear the port as a number, not as text")
    shared.add_argument("--protocol", choices=["tcp", "ipc"])
    shared.add_argument("--pattern", type=int, default=0)
    shared.add_argument("--async", dest="other", action="store_const", const="async_end", help="NetGear_Async, see async_end.py")
    shared.add_argument("--imagezmq", dest="other", action="store_const", const="imagezmq_end", help="imagezmq, see imagezmq_end.py")
    shared.add_argument("--oldest", action="store_true", help="the oldest supported VidGear (oldest.txt)")
    shared.add_argument("--timeout", type=float, default=0, help="of NetGear_Async, in seconds; 0: its default")
    shared.add_argument("--logging", action="store_true", help="VidGear's own log, on stderr")

    source = argparse.ArgumentParser(add_help=False)
    source.add_argument(
        "--source", nargs="+", metavar="WORD", help="video FILE | npy-dir DIR | synthetic SEED | cases JSON"
    )
    source.add_argument("--size", type=size, metavar="WxH")
    source.add_argument("--gray", action="store_true", help="two-dimensional frames")
    source.add_argument("--channels", type=int, default=3)
    source.add_argument("--dtype")
    source.add_argument("--peer-options", default="{}", help="the receive end's option dictionary, for JPEG decoding")

    send = modes.add_parser("send", parents=[basic, shared, source], help="a send end")
    send.add_argument("--message", help="JSON: rides with every frame")
    send.add_argument("--messages", help="JSON list: one for each frame, none after its end")
    send.add_argument("--fps", type=float, default=0, help="0: no pacing")
    send.add_argument("--wait-ready", action="store_true", help="send nothing before the command go")
    send.add_argument("--stay", action="store_true", help="after the last frame, wait for the command close")
    send.add_argument("--linger", type=int, default=0, metavar="MS", help="give the goodbye this long to leave")
    send.set_defaults(run=run_send)

    expect = modes.add_parser("expect", parents=[basic, source], help="what a receive end will see, without sending")
    expect.set_defaults(run=run_expect)

    recv = modes.add_parser("recv", parents=[basic, shared], help="a receive end")
    recv.add_argument("--return", dest="return_data", help="JSON: the data that every answer carries")
    recv.add_argument("--returns", help="JSON list: item i is given to the recv call for frame i")
    recv.set_defaults(run=run_recv)

    versions = modes.add_parser("versions", help="what is installed")
    versions.set_defaults(run=run_versions)

    args = parser.parse_args()
    if getattr(args, "oldest", False):
        sys.path.insert(0, os.path.join(sys.prefix, "oldest"))
    try:
        run = run_other(args.other) if getattr(args, "other", None) else args.run
        status = run(args) or 0
    except BaseException as e:  # noqa: BLE001
        emit("error", error=repr(e))
        if not isinstance(e, Exception):
            raise
        logging.getLogger("peer").exception("failed")
        status = 1
    EVENTS.flush()
    # Daemon threads (stdin, VidGear's) must not hold up or crash the interpreter's own exit.
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
