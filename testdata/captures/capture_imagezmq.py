"""Record what a real imagezmq peer puts on the wire, one JSON file per case.

    pip install imagezmq==1.2.0 pyzmq numpy opencv-python-headless
    python capture_imagezmq.py OUTDIR

Every case runs one real ImageSender or ImageHub against a bare pyzmq socket. The
files are as those of capture.py, with "from": "imagezmq"|"peer".
"""
import base64, json, sys, threading, time
import cv2, imagezmq, numpy as np, zmq

OUT = sys.argv[1]
CTX = zmq.Context.instance()
PORT = [6300]

FRAME = (np.arange(16 * 24 * 3, dtype=np.uint32) * 7 % 256).astype(np.uint8).reshape(16, 24, 3)
GRAY = np.ascontiguousarray(FRAME[:, :, 0])
MESSAGES = ["camera 1", "hi ☃", "", None, 7, 2**70, 1.5, float("nan"), True, [1, "a", None], {"k": {1: 2.0}}, "x" * 100]
REPLIES = [b"OK", b"", b"stop", "grüße".encode(), b"\xff\x00\x01", b'{"next": 3}']


def address():
    PORT[0] += 1
    return f"tcp://127.0.0.1:{PORT[0]}"


def entry(who, parts):
    e = {"from": who, "parts": [base64.b64encode(p).decode() for p in parts], "text": []}
    for p in parts:
        try:
            s = p.decode("utf-8")
            e["text"].append(s if len(s) < 400 and s.isprintable() else None)
        except UnicodeDecodeError:
            e["text"].append(None)
    return e


def save(name, log, **about):
    with open(f"{OUT}/{name}.json", "w") as f:
        json.dump({"about": about, "messages": log}, f, indent=1, ensure_ascii=False)
    print(name, len(log))


def sender_case(name, frames, pattern=1, replies=(b"OK",)):
    """Real ImageSender -> bare hub. A frame is (msg, array) or (msg, JPEG's bytes)."""
    at, log, returned = address(), [], []
    s = CTX.socket(zmq.REP if pattern == 1 else zmq.SUB)
    if pattern == 1:
        s.bind(at)
    sender = imagezmq.ImageSender(connect_to=at, REQ_REP=pattern == 1)
    if pattern == 2:  # there the sender binds
        s.setsockopt(zmq.SUBSCRIBE, b"")
        s.connect(at)
        time.sleep(0.5)

    def serve():
        for i in range(len(frames)):
            log.append(entry("imagezmq", s.recv_multipart()))
            if pattern == 1:
                reply = replies[i % len(replies)]
                s.send(reply)
                log.append(entry("peer", [reply]))

    t = threading.Thread(target=serve)
    t.start()
    for msg, frame in frames:
        send = sender.send_jpg if isinstance(frame, bytes) else sender.send_image
        returned.append(repr(send(msg, frame)))
    t.join()
    sender.close()
    s.close(linger=0)
    save(name, log, case="send end is imagezmq", pattern=pattern, returned=returned)


def hub_case(name, sends, pattern=1, replies=(None,)):
    """Bare sender -> real ImageHub. A reply of None is send_reply's default."""
    at, log, got = address(), [], []
    s = CTX.socket(zmq.REQ if pattern == 1 else zmq.PUB)
    if pattern == 2:
        s.bind(at)
    hub = imagezmq.ImageHub(open_port=at, REQ_REP=pattern == 1)
    if pattern == 1:
        s.connect(at)
    else:
        time.sleep(0.5)
    for i, parts in enumerate(sends):
        s.send_multipart(parts)
        log.append(entry("peer", parts))
        if b'"dtype"' in parts[0]:
            msg, image = hub.recv_image()
            got.append(repr((msg, image.shape, str(image.dtype))))
        else:
            msg, jpg = hub.recv_jpg()
            got.append(repr((msg, len(bytes(jpg)))))
        if pattern == 1:
            reply = replies[i % len(replies)]
            hub.send_reply() if reply is None else hub.send_reply(reply)
            log.append(entry("imagezmq", s.recv_multipart()))
    hub.close()
    s.close(linger=0)
    save(name, log, case="receive end is imagezmq", pattern=pattern, recv=got)


def jpeg(frame):
    return cv2.imencode(".jpg", frame)[1].tobytes()


def head(msg, frame=None):
    h = {"msg": msg}
    if frame is not None:
        h.update(dtype=str(frame.dtype), shape=frame.shape)
    return json.dumps(h).encode()


for pat in (1, 2):
    sender_case(f"imagezmq-sender-raw-{pat}", [("camera 1", FRAME), ("camera 2", GRAY)], pat)
    sender_case(f"imagezmq-sender-jpg-{pat}", [("camera 1", jpeg(FRAME)), ("camera 2", jpeg(GRAY))], pat)
    hub_case(f"imagezmq-hub-{pat}", [[head("camera 1", FRAME), FRAME.tobytes()], [head("camera 2"), jpeg(FRAME)]], pat)
sender_case("imagezmq-sender-messages", [(m, GRAY) for m in MESSAGES])
sender_case("imagezmq-sender-replies", [("camera 1", GRAY)] * len(REPLIES), replies=REPLIES)
hub_case("imagezmq-hub-replies", [[head("camera 1"), jpeg(GRAY)]] * len(REPLIES), replies=REPLIES)
for dt in ("int8", "uint16", "int16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64", "bool", ">u2", "complex64"):
    sender_case(
        f"imagezmq-sender-dtype-{dt.replace('>', 'big-')}",
        [("camera 1", np.zeros(shape, dt)) for shape in ((4, 6, 3), (4, 6), (4, 6, 1), (24,), (2, 2, 2, 2))],
    )
