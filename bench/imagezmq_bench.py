#!/usr/bin/env python3
"""imagezmq as a contender of the bench: see contender.py.

It has REQ/REP and PUB/SUB, no PAIR, and leaves JPEG to the program; here that is the codec with the settings that VidGear
has. The hub answers before it decodes, which lets the sender go on.
"""

import sys

import contender


def url(args, port):
    return f"{args.protocol}://{args.address}:{port}"


def open_send(args):
    import imagezmq

    sender = imagezmq.ImageSender(url(args, args.port), REQ_REP=args.pattern == 1)
    if args.jpeg:
        return lambda frame: sender.send_jpg("bench", contender.encode(frame))
    return lambda frame: sender.send_image("bench", frame)


def open_hub(args, ports):
    import imagezmq

    hub = imagezmq.ImageHub(url(args, ports[0]), REQ_REP=args.pattern == 1)
    for port in ports[1:]:
        hub.zmq_socket.bind(url(args, port))

    def recv():
        _, frame = hub.recv_jpg() if args.jpeg else hub.recv_image()
        if args.pattern == 1:
            hub.send_reply()
        return contender.decode(frame.buffer) if args.jpeg else frame

    return recv


def open_recv(args):
    ports = args.port.split(",")
    if args.multiserver:
        return [open_hub(args, ports)]
    return [open_hub(args, [port]) for port in ports]


if __name__ == "__main__":
    contender.main(sys.modules[__name__])
