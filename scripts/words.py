#!/usr/bin/env python3
"""Checks the comments of Go and C files for words that CONTRIBUTING.md rules out.

    scripts/words.py [--count] PATH...

A path is a file, or a folder with all files below it; FOLDER/* is a folder
without its subfolders. Prints each comment line with such a word, and exits with
1 if there is one. --count prints only their number, and exits with 0.

Not checked: quoted text, code in backquotes, and indented code.
"""
import os
import re
import sys

# Private names of earlier versions, and what the text should say instead.
TERMS = {
    r"doors?": "peer gate",
    r"visitors?|knock(?:s|ed|ing)?": "pending peer",
    r"cameIn|turnedBack|vacate": "handshakeDone, handshakeFailed, releaseSlot",
    r"admission": "access list",
    r"leftovers?": "half-open connection",
    r"crews?": "worker pool",
    r"hire[sd]?": "acquire",
    r"loans?|lends?|lent": "external buffers, wrap",
    r"handovers?|hand(?:s|ed|ing)? over": "ownership transfer",
    r"giv(?:e|es|en|ing) back|gave back|giveBack": "release",
    r"tally": "per-port stats",
    r"bursts?": "log limiter",
    r"heed(?:s|ed)?|unheed": "bindContext, unbind",
    r"strangers?|secondThoughts?": "refusalTTL, reconnectDelay",
    r"hangups|givenUp": "handshakeHangups, rejectedEndpoints",
    r"showOut|crowds?": "evictPeer, peersChanged",
    r"letGo|lets? go(?: of)?|letting go": "release, close, flush",
    r"patience": "timeout",
    r"goodbyes?|farewell": "terminate message",
    r"shaken": "handshaked",
    r"skewed|insideMessage": "misaligned, maxInlineMsg",
    r"insists?|complains?": "retry, logError",
    r"adopts?|equips?": "convert, ensureHandles",
}
# Speech, wishes and knowledge of programs; actors without a name.
PERSONS = {
    r"says|said|tells|told": "reports, returns, contains",
    r"knows|knew": "has, contains",
    r"hears|heard": "receives",
    r"wants|wanted": "requires, requests",
    r"nobody|somebody|whoever|anybody": "the peer, sender, receiver, caller",
    r"comes? to terms|lets? in": "handshake, admit",
    r"(?:is|are|was|were) there(?=[.,;:)]|$)": "exists",
    r"anew": "again",
}
WORDS = {**TERMS, **PERSONS}
PATTERN = re.compile("|".join(rf"\b(?P<w{i}>{w})\b" if not w.endswith(")") else rf"\b(?P<w{i}>{w})"
                              for i, w in enumerate(WORDS)), re.I)
INSTEAD = list(WORDS.values())

# A string or a character is skipped, a comment is kept.
TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|`[^`]*`|\'(?:\\.|[^\'\\\n])*\'|(?P<comment>//[^\n]*|/\*.*?\*/)', re.S)
QUOTED = re.compile(r'"[^"]*"|`[^`]*`|“[^”]*”')
CODE = re.compile(r"^//(?:\t| {4})|^//(?:go|export|lint):|^\t")


def hits(text):
    """Yields (line number, line, word, instead) for each comment line with a word."""
    for token in TOKEN.finditer(text):
        if token["comment"] is None:
            continue
        first = text.count("\n", 0, token.start()) + 1
        for number, line in enumerate(token["comment"].split("\n"), first):
            if CODE.match(line):
                continue
            found = PATTERN.search(QUOTED.sub("", line))
            if found:
                yield number, line.strip(), found[0], INSTEAD[int(found.lastgroup[1:])]


def files(path):
    """Returns the Go and C files of a path."""
    if os.path.isfile(path):
        return [path]
    flat = path.endswith("/*")
    found = []
    for folder, folders, names in os.walk(path.removesuffix("/*")):
        folders[:] = [] if flat else sorted(f for f in folders if not f.startswith("."))
        found += [os.path.join(folder, n) for n in sorted(names) if n.endswith((".go", ".c", ".h"))]
    return found


def main(arguments):
    """Returns the exit status."""
    count = "--count" in arguments
    checked, total = 0, 0
    for path in (a for a in arguments if a != "--count"):
        for file in files(path):
            checked += 1
            with open(file, encoding="utf-8") as f:
                for number, line, word, instead in hits(f.read()):
                    total += 1
                    if not count:
                        print(f"{os.path.normpath(file)}:{number}: {word!r} (instead: {instead}): {line}")
    print(f"{total} comment lines with such words in {checked} files")
    return 0 if count else int(total > 0 or not checked)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
