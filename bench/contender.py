"""What the Python contenders of the bench share: the command line, the events, the clock, the loops.

Speaks what bench/process.go asks of every contender: one JSON object per line on stdout, "go" on stdin. A contender gives
`main` the two things in which it differs: how it opens a send end and a receive end.
"""

import argparse
import json
import os
import resource
import sys
import threading
import time
import zlib

# Nothing but events may reach stdout: keep the real one, and send every other writer to stderr.
EVENTS = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)

import numpy as np  # noqa: E402

now = time.monotonic_ns  # CLOCK_MONOTONIC, which is the same for every process on the machine


def emit(event, **fields):
    EVENTS.write(json.dumps({"event": event, **fields}) + "\n")
    EVENTS.flush()


def await_go():
    if not sys.stdin.readline():
        os._exit(0)


def usage():
    """CPU seconds and voluntary context switches of this process, all threads."""
    u = resource.getrusage(resource.RUSAGE_SELF)
    return u.ru_utime + u.ru_stime, u.ru_nvcsw


class Measure:
    """One measured stretch of this process."""

    def __init__(self):
        self.times = []
        self.before = usage()
        self.start = now()

    def done(self, **more):
        end, after = now(), usage()
        emit("done", start=self.start, end=end, cpu=after[0] - self.before[0], switches=after[1] - self.before[1],
             times=self.times, **more)
        await_go()  # until everything else has been counted


def load(args):
    return np.fromfile(args.frames, np.uint8).reshape(-1, args.height, args.width, 3)


class Camera:
    """The frames in turn. With --fresh each is written into one buffer first, as a camera does; the time is noted."""

    def __init__(self, args):
        self.frames = load(args)
        self.buffer = np.empty_like(self.frames[0]) if args.fresh else None
        self.wrote = 0

    def take(self, i):
        frame = self.frames[i % len(self.frames)]
        if self.buffer is None:
            return frame
        begun = now()
        np.copyto(self.buffer, frame)
        self.wrote += now() - begun
        return self.buffer


def run_send(args, contender):
    camera = Camera(args)
    send = contender.open_send(args)
    emit("ready")
    for i in range(args.warm):
        send(camera.take(i))
        if args.pattern == 2:
            time.sleep(0.02)  # the first are lost until the subscriber is there
    emit("warm")
    await_go()
    m = Measure()
    i = camera.wrote = 0
    while now() - m.start < args.seconds * 1e9 if args.seconds else i < args.n:
        if args.fps:
            time.sleep(max(0, m.start + i * 1e9 / args.fps - now()) / 1e9)
        frame = camera.take(i)
        if args.times:
            m.times.append(now())
        send(frame)
        i += 1
    m.done(count=i, wrote=camera.wrote)


def run_recv(args, contender):
    receives = contender.open_recv(args)
    recv = receives[0]
    emit("ready")
    checksum = 0
    for i in range(args.warm):
        frame = recv()
        if i == 0:
            checksum = zlib.crc32(np.ascontiguousarray(frame))
    frame = None
    m = Measure()
    emit("warm", sum=checksum)
    if args.idle:
        wait_idle(args, receives)
    elif args.pattern == 2:
        count_frames(m, recv)
    else:
        for _ in range(args.n):
            frame = recv()
            if args.times:
                m.times.append(now())
            if frame is None:
                raise RuntimeError("the receive call gave up")
        m.done(count=args.n)


def count_frames(m, recv):
    """Receives published frames until "go", then prints the times of all."""

    def stop():
        await_go()
        m.done()
        os._exit(0)

    threading.Thread(target=stop, daemon=True).start()
    while recv() is not None:
        m.times.append(now())


def wait_idle(args, receives):
    for recv in receives:
        threading.Thread(target=recv, daemon=True).start()  # nothing comes
    await_go()
    m = Measure()
    time.sleep(args.idle)
    m.done()


def encode(frame):
    """The JPEG of VidGear with its defaults."""
    import simplejpeg

    return simplejpeg.encode_jpeg(frame, 90, "BGR", "422", fastdct=True)


def decode(jpeg):
    import simplejpeg

    return simplejpeg.decode_jpeg(jpeg, "BGR", fastdct=True, fastupsample=False)


def run_codec(args, _contender):
    """Making and reading the same JPEGs on one core, without a network."""
    frames = load(args)
    emit("ready")
    await_go()
    jpegs = [encode(f) for f in frames]

    def spent(work, over):
        before = usage()[0]
        for i in range(args.n):
            work(over[i % len(over)])
        return (usage()[0] - before) / args.n

    emit("done", encode=spent(encode, frames), decode=spent(decode, jpegs), size=sum(map(len, jpegs)) / len(jpegs))


def run_frames(args, _contender):
    """Decodes the beginning of a video, scaled, to a file of raw pixels that all contenders read."""
    import cv2

    video = cv2.VideoCapture(args.video)
    with open(args.frames, "wb") as out:
        for _ in range(args.n):
            ok, frame = video.read()
            if not ok:
                raise OSError(f"cannot read {args.n} frames of {args.video}")
            cv2.resize(frame, (args.width, args.height), interpolation=cv2.INTER_CUBIC).tofile(out)


def run_versions(_args, _contender):
    import importlib.metadata as metadata

    import zmq

    names = ("vidgear", "imagezmq", "pyzmq", "simplejpeg", "numpy")
    emit("versions", python=sys.version.split()[0], libzmq=zmq.zmq_version(), **{n: metadata.version(n) for n in names})


ROLES = {"send": run_send, "recv": run_recv, "codec": run_codec, "frames": run_frames, "versions": run_versions}


def main(contender):
    """contender is a module with open_send(args), which returns a function that sends a frame, and open_recv(args),
    which returns one function for each receive end that returns the next frame's pixels."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("--frames", help="file of raw BGR frames")
    parser.add_argument("--width", type=int)
    parser.add_argument("--height", type=int)
    parser.add_argument("--video")
    parser.add_argument("--address")
    parser.add_argument("--port", help="one, or several with commas between")
    parser.add_argument("--protocol", default="tcp")
    parser.add_argument("--pattern", type=int, default=0)
    parser.add_argument("--jpeg", action="store_true")
    parser.add_argument("--async", dest="is_async", action="store_true", help="NetGear_Async instead of NetGear")
    parser.add_argument("--multiserver", action="store_true", help="many send ends, one receive end on all ports")
    parser.add_argument("--ends", type=int, default=1, help="receive ends in this process, one a port")
    parser.add_argument("--warm", type=int, default=0, help="frames before the measured ones")
    parser.add_argument("--n", type=int, default=0, help="measured frames")
    parser.add_argument("--fps", type=float, default=0, help="frames per second, 0: as fast as it goes")
    parser.add_argument("--seconds", type=float, default=0, help="send end: send for so long instead of n frames")
    parser.add_argument("--times", action="store_true", help="note when each frame was sent or received")
    parser.add_argument("--fresh", action="store_true", help="send end: write each frame before it is sent")
    parser.add_argument("--idle", type=float, default=0, help="receive end: measure so many seconds of waiting instead")
    args = parser.parse_args()
    roles = ROLES | (contender.ASYNC_ROLES if args.is_async else {})
    roles[args.role](args, contender)
    EVENTS.flush()
    os._exit(0)  # closing is not what is measured
