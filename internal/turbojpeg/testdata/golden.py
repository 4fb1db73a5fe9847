"""Ask the real simplejpeg what it makes of pictures and JPEGs; golden_test.go holds Go to the answers.

    pip install simplejpeg==1.9.0 opencv-python-headless numpy
    python golden.py FOLDER_OF_WIRE_RECORDINGS > golden.json

The recordings (made by the capture script from a running VidGear) give the JPEGs of "captures".
A digest is the first 16 hex digits of the SHA-256; "" stands for a ValueError. "~" and a digest
stand for a JPEG that simplejpeg refuses, but would read like that if it were not strict.
"""
import base64, glob, hashlib, json, os, sys

import cv2
import numpy as np
import simplejpeg

SPACES = ["RGB", "BGR", "RGBX", "BGRX", "XBGR", "XRGB", "GRAY", "RGBA", "BGRA", "ABGR", "ARGB", "CMYK"]
CHANNELS = {s: 1 if s == "GRAY" else 3 if len(s) == 3 else 4 for s in SPACES}
SIZES = [(1, 1), (7, 5), (17, 33), (64, 48), (131, 97)]
QUALITIES = [10, 75, 90, 95, 96, 100]
FLAGS = [(False, False), (False, True), (True, False), (True, True)]  # fastdct, fastupsample


def picture(width, height, channels):
    """The same numbers as picture() in golden_test.go: slopes, a chessboard and noise."""
    y, x, c = np.mgrid[0:height, 0:width, 0:channels].astype(np.uint64)
    i = (y * np.uint64(width) + x) * np.uint64(channels) + c
    noise = (i * np.uint64(2654435761) % np.uint64(2**32)) >> np.uint64(27)
    board = (x // np.uint64(9) + y // np.uint64(7)) % np.uint64(2) * np.uint64(70)
    return ((x * (c + np.uint64(1)) + y * np.uint64(2) + board + noise) % np.uint64(256)).astype(np.uint8)


def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


def encode(pixels, space, quality, dct):
    """As VidGear calls it."""
    more = {} if space == "GRAY" else {"colorsubsampling": "422"}
    return simplejpeg.encode_jpeg(pixels, quality=quality, colorspace=space, fastdct=dct, **more)


def decode(jpeg, space, dct, ups):
    try:
        pixels = simplejpeg.decode_jpeg(jpeg, colorspace=space, fastdct=dct, fastupsample=ups)
        stored = info(jpeg)["Space"]
    except ValueError:
        return ""
    if "X" in space and stored in ("CMYK", "YCCK"):
        pixels[:, :, space.index("X")] = 255  # simplejpeg leaves this byte as the memory was
    return digest(pixels.tobytes())


def lenient(jpeg, space, dct, ups):
    """What a reader makes of a JPEG that strict simplejpeg may refuse."""
    strict = decode(jpeg, space, dct, ups)
    if strict:
        return strict
    try:
        pixels = simplejpeg.decode_jpeg(jpeg, colorspace=space, fastdct=dct, fastupsample=ups, strict=False)
    except ValueError:
        return ""
    return "~" + digest(pixels.tobytes())


def transposed(jpeg):
    """A JPEG in 4:1:1 whose header says 4:4:1, and the sides the other way round."""
    at = jpeg.index(b"\xff\xc0") + 5
    assert jpeg[at + 6] == 0x41
    return jpeg[:at] + jpeg[at + 2:at + 4] + jpeg[at:at + 2] + jpeg[at + 4:at + 6] + b"\x14" + jpeg[at + 7:]


def files():
    """The JPEGs in the folder jpeg: how cameras and programs make them, damaged ones, and a bomb."""
    out = {}
    for path in sorted(glob.glob(os.path.dirname(os.path.abspath(__file__)) + "/jpeg/*.jpg")):
        jpeg = open(path, "rb").read()
        bomb = "scans" in path
        out[os.path.basename(path)] = {
            space: [lenient(jpeg, space, *flags) for flags in (FLAGS[:1] if bomb else FLAGS)]
            for space in (["BGR"] if bomb else SPACES)
        }
    return out


def plain_cmyk(ycck):
    """The same JPEG, said to hold CMYK: Adobe's transform byte from 2 to 0."""
    at = ycck.index(b"Adobe") + 11
    assert ycck[at] == 2
    return ycck[:at] + b"\0" + ycck[at + 1:]


def plain_rgb(ycc):
    """The same JPEG, said to hold RGB: Adobe's marker in place of JFIF's."""
    assert ycc[2:4] == b"\xff\xe0"
    size = int.from_bytes(ycc[4:6], "big")
    return ycc[:2] + b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0" + ycc[4 + size:]


def jpegs():
    for width, height in SIZES:
        yield f"422 {width}x{height}", encode(picture(width, height, 3), "BGR", 90, True)
        yield f"gray {width}x{height}", encode(picture(width, height, 1), "GRAY", 90, True)
        yield f"ycck {width}x{height}", encode(picture(width, height, 4), "CMYK", 90, True)
    for quality in (10, 75, 100):
        yield f"422 q{quality}", encode(picture(49, 35, 3), "BGR", quality, False)
        yield f"gray q{quality}", encode(picture(49, 35, 1), "GRAY", quality, False)
        yield f"ycck q{quality}", encode(picture(49, 35, 4), "CMYK", quality, False)
    for sub in ("444", "420", "440", "411"):
        yield f"{sub} 49x35", simplejpeg.encode_jpeg(picture(49, 35, 3), colorspace="RGB", colorsubsampling=sub)
    yield "441 35x49", transposed(simplejpeg.encode_jpeg(picture(49, 35, 3), colorspace="RGB", colorsubsampling="411"))
    yield "cmyk 49x35", plain_cmyk(encode(picture(49, 35, 4), "CMYK", 75, True))
    yield "rgb 49x35", plain_rgb(simplejpeg.encode_jpeg(picture(49, 35, 3), colorspace="RGB"))
    for name, flags in (("progressive", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]), ("optimized", [cv2.IMWRITE_JPEG_OPTIMIZE, 1]), ("restarts", [cv2.IMWRITE_JPEG_RST_INTERVAL, 2])):
        yield f"{name} 49x35", cv2.imencode(".jpg", picture(49, 35, 3), flags)[1].tobytes()
    # A restart marker after each row of MCUs, so many of them across.
    for sub, units in (("444", 7), ("422", 4), ("411", 2), ("420", 4), ("440", 7)):
        flags = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{sub}"), cv2.IMWRITE_JPEG_RST_INTERVAL, units]
        yield f"rows {sub} 49x35", cv2.imencode(".jpg", picture(49, 35, 3), flags)[1].tobytes()
    yield "rows gray 49x35", cv2.imencode(".jpg", picture(49, 35, 1), [cv2.IMWRITE_JPEG_RST_INTERVAL, 7])[1].tobytes()
    yield "trailing bytes", encode(picture(7, 5, 3), "BGR", 90, True) + b"more"


def info(jpeg):
    try:
        height, width, space, subsampling = simplejpeg.decode_jpeg_header(jpeg)
    except KeyError:  # simplejpeg decodes 4:4:1, but has no name for it
        (height, width), space, subsampling = simplejpeg.decode_jpeg(jpeg).shape[:2], "YCbCr", "441"
    return {"Width": width, "Height": height, "Space": space, "Subsampling": subsampling}


def bad():
    """A small JPEG, cut at every length and with every byte changed in two ways."""
    jpeg = encode(picture(13, 9, 3), "BGR", 50, True)
    rows = {"cut": [jpeg[:n] for n in range(1, len(jpeg))]}
    for mask in (0x01, 0xFF):
        rows[f"xor {mask}"] = [jpeg[:n] + bytes([jpeg[n] ^ mask]) + jpeg[n + 1:] for n in range(len(jpeg))]
    small = lambda b: (lambda h: h[0] * h[1] <= 1 << 22)(simplejpeg.decode_jpeg_header(b, strict=False))
    out = {"jpeg": base64.b64encode(jpeg).decode()}
    for name, inputs in rows.items():
        answers = []
        for data in inputs:
            try:
                # A picture far larger than its bytes is not worth decoding: only that the header is good.
                answers.append(lenient(data, "BGR", True, False) if small(data) else "large")
            except (ValueError, KeyError):
                answers.append("")
        out[name] = answers
    return out


def captures(folder):
    out = {}
    for path in sorted(glob.glob(f"{folder}/send-*jpeg*.json")):
        recording = json.load(open(path))
        parts = recording["messages"][0]["parts"]
        head = json.loads(base64.b64decode(parts[0]))
        out[os.path.basename(path)[:-5]] = {
            "colorspace": head["compression"]["colorspace"],
            "fastdct": head["compression"]["dct"],
            "quality": recording["about"]["options"].get("jpeg_compression_quality", 90),
            "jpeg": parts[1],
        }
    return out


answers = {"captures": captures(sys.argv[1]), "encode": {}, "decode": {}, "bad": bad(), "files": files()}
for space in SPACES:
    for width, height in SIZES:
        for quality in QUALITIES:
            both = {digest(encode(picture(width, height, CHANNELS[space]), space, quality, dct)) for dct in (False, True)}
            assert len(both) == 1  # simplejpeg's fastdct changes nothing when it encodes
            answers["encode"][f"{space} {width} {height} {quality}"] = both.pop()
for name, jpeg in jpegs():
    answers["decode"][name] = {
        "jpeg": base64.b64encode(jpeg).decode(),
        "info": info(jpeg),
        "pixels": {space: [decode(jpeg, space, *flags) for flags in FLAGS] for space in SPACES},
    }
json.dump(answers, sys.stdout, separators=(",", ":"))
print()
