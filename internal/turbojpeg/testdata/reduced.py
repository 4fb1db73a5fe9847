"""Ask the real simplejpeg for reduced pictures and for JPEGs of planes; reading_test.go holds Go to the answers.

    pip install simplejpeg==1.9.0 numpy
    python reduced.py > reduced.json

It reads the JPEGs of golden.json and of the folder jpeg. Digests are as in golden.py.
"""
import base64, glob, hashlib, json, os

import numpy as np
import simplejpeg

FLAGS = [(False, False), (False, True), (True, False), (True, True)]  # fastdct, fastupsample


def picture(width, height, channels):
    """The same numbers as picture() in golden.py."""
    y, x, c = np.mgrid[0:height, 0:width, 0:channels].astype(np.uint64)
    i = (y * np.uint64(width) + x) * np.uint64(channels) + c
    noise = (i * np.uint64(2654435761) % np.uint64(2**32)) >> np.uint64(27)
    board = (x // np.uint64(9) + y // np.uint64(7)) % np.uint64(2) * np.uint64(70)
    return ((x * (c + np.uint64(1)) + y * np.uint64(2) + board + noise) % np.uint64(256)).astype(np.uint8)


def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


def reduced(jpeg, space, by):
    """min_factor only has an effect with a smallest size."""
    digests = []
    for dct, ups in FLAGS:
        try:
            height, width = simplejpeg.decode_jpeg_header(jpeg)[:2]
            size = -(-height // by), -(-width // by)
            pixels = simplejpeg.decode_jpeg(jpeg, colorspace=space, fastdct=dct, fastupsample=ups, strict=False,
                                            min_height=size[0], min_width=size[1], min_factor=by)
        except (KeyError, ValueError):
            return None
        assert pixels.shape[:2] == size
        digests.append(digest(pixels.tobytes()))
    return [pixels.shape[1], pixels.shape[0]] + digests


def planes(width, height, across, down, quality):
    chroma = -(-height // down), -(-width // across)
    y, u, v = picture(width, height, 1)[:, :, 0], picture(chroma[1], chroma[0], 2)[:, :, 0], picture(chroma[1], chroma[0], 2)[:, :, 1]
    return digest(simplejpeg.encode_jpeg_yuv_planes(*map(np.ascontiguousarray, (y, u, v)), quality=quality, fastdct=True))


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "golden.json")) as f:
        jpegs = {"golden/" + name: base64.b64decode(d["jpeg"]) for name, d in json.load(f)["decode"].items()}
    for path in sorted(glob.glob(os.path.join(here, "jpeg", "*.jpg"))):
        with open(path, "rb") as f:
            jpegs["jpeg/" + os.path.basename(path)] = f.read()
    read = {}
    for name, jpeg in jpegs.items():
        if "scans-480" in name:
            continue  # beyond the limit on scans
        if name.endswith("1x1"):
            continue  # its size is the same at every factor
        for space in ["BGR", "GRAY"]:
            for by in [2, 4, 8]:
                got = reduced(jpeg, space, by)
                if got:
                    read[f"{name} {space} {by}"] = got
    written = {}
    for width, height in [(16, 16), (64, 48), (50, 34), (130, 98)]:
        for across, down in [(1, 1), (2, 1), (2, 2), (1, 2)]:
            for quality in [10, 90, 96]:
                written[f"{width} {height} {across} {down} {quality}"] = planes(width, height, across, down, quality)
    print(json.dumps({"Read": read, "Write": written}, indent=0, sort_keys=True))


if __name__ == "__main__":
    main()
