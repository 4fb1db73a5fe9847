"""Writes python.txt: values as Python's json.dumps writes them, for the tests of this folder.

One value a line: its kind, what it is made from, and its JSON, with tabs between.
"""

import json
import random
import struct

random.seed(1)


def floats():
    yield from (0.0, -0.0, 1.0, -1.5, 2.0, 0.1, 1e15, 1e16, 1e17, 9999999999999998.0, 123456789012345680.0, 1e-4, 1e-5)
    yield from (0.00012345, 1.5e300, 5e-324, 1.7976931348623157e308, 2.2250738585072014e-308, 1e22, 1e23, 2.0**53)
    yield from (float("nan"), float("inf"), float("-inf"))
    for _ in range(1100):
        yield struct.unpack("<d", random.randbytes(8))[0]
    for _ in range(350):
        yield random.choice((-1, 1)) * random.random() * 10 ** random.randint(-7, 20)


def strings():
    for start in range(0, 0x200, 16):
        yield "".join(map(chr, range(start, start + 16)))
    for page in range(0x200, 0x10000, 0x100):
        if not 0xD800 <= page <= 0xDFFF:
            yield "".join(chr(page + random.randrange(256)) for _ in range(4)) + chr(page + 255)
    for plane in range(1, 17):
        yield chr(plane << 16) + "a" + chr((plane << 16) + 0xFFFF)


def ints():
    yield from (0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, -(2**63) - 1, 2**64 - 1, 2**64)
    for bits in range(65, 400, 7):
        yield random.choice((-1, 1)) * random.getrandbits(bits)


def lines():
    for f in floats():
        yield "float", struct.pack(">d", f).hex(), f
    for s in strings():
        yield "string", s.encode().hex(), s
    for i in ints():
        yield "int", hex(i), i


with open("python.txt", "w", encoding="ascii", newline="\n") as out:
    for kind, source, value in lines():
        out.write(f"{kind}\t{source}\t{json.dumps(value)}\n")
