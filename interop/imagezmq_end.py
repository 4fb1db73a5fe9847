"""One end of a real imagezmq: what `peer.py send --imagezmq` and `peer.py recv --imagezmq` are.

Flags, commands and events are those of peer.py, but for these. With JPEG on (--options) a frame travels by send_jpg and
recv_jpg, and the event's "sha256" is of the JPEG's bytes. Without --message a frame's text is "frame INDEX". --return and
the command `return` give the text of the replies; without it the hub calls send_reply() without an argument.
"""

import hashlib
import json

import cv2
import imagezmq
import numpy as np

from peer import Control, describe, describe_value, emit, frames, parse_value, ready


def endpoint(args):
    return f"{args.protocol or 'tcp'}://{args.address}:{args.port}"


def compresses(args):
    return json.loads(args.options).get("jpeg_compression", True) is not False


def describe_jpeg(data):
    picture = cv2.imdecode(np.frombuffer(data, dtype="uint8"), -1)
    return {**describe(picture), "sha256": hashlib.sha256(data).hexdigest()}


def send(args):
    messages = parse_value(args.messages) if args.messages else []
    control = Control(started=not args.wait_ready)
    control.on_messages = messages.extend
    sender = imagezmq.ImageSender(connect_to=endpoint(args), REQ_REP=args.pattern == 1)
    control.listen()
    ready(args)
    index = 0
    for frame in control.paced(args, frames(args, None)):
        message = messages[index] if index < len(messages) else parse_value(args.message) if args.message else f"frame {index}"
        event = {"index": index, "message": describe_value(message)}
        if compresses(args):
            data = cv2.imencode(".jpg", frame)[1]
            event.update(describe_jpeg(data.tobytes()))
            reply = sender.send_jpg(message, data)
        else:
            event.update(describe(frame))
            reply = sender.send_image(message, frame)
        emit("frame", **event, reply=None if reply is None else reply.decode("utf-8", "replace"))
        index += 1
    sender.close()
    emit("end", frames=index, reason=control.reason())


def receive(args):
    control = Control(started=True)
    hub = imagezmq.ImageHub(open_port=endpoint(args), REQ_REP=args.pattern == 1)
    reply = parse_value(args.return_data) if args.return_data else None

    def set_return(value):
        nonlocal reply
        reply = value

    control.on_return = set_return
    control.listen()
    ready(args)
    index = 0
    while (not args.n or index < args.n) and control.wait():
        if not hub.zmq_socket.poll(50):
            continue
        if compresses(args):
            message, data = hub.recv_jpg()
            event = describe_jpeg(bytes(data))
        else:
            message, image = hub.recv_image()
            event = describe(image)
        if args.pattern == 1:
            hub.send_reply() if reply is None else hub.send_reply(reply.encode())
        emit("frame", index=index, message=describe_value(message), **event)
        index += 1
    hub.close()
    emit("end", frames=index, reason=control.reason())


def run(args):
    return receive(args) if args.mode == "recv" else send(args)
