#!/usr/bin/env python3
"""Checks every relative link and anchor in the repository's Markdown files.

    scripts/links.py [FOLDER]

A link must lead to a file or folder of the repository, and its anchor to a
heading of that page, named as GitHub names it. Links to other hosts are not
followed. Exits with 1 if a link leads nowhere, or if there was none to check.
"""
import os
import re
import sys
import unicodedata
import urllib.parse

LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
NESTED_IMAGE = re.compile(r"!\[[^\]]*\]\(\s*<?([^)\s>]+)")
REFERENCE = re.compile(r"^\s{0,3}\[[^\]]+\]:\s+<?([^\s>]+)")
HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$")


def prose(text):
    """Yields (line number, line) without code blocks."""
    fence = ""
    for number, line in enumerate(text.splitlines(), 1):
        mark = re.match(r"\s*(```+|~~~+)", line)
        if fence:
            if mark and mark[1].startswith(fence):
                fence = ""
            continue
        if mark:
            fence = mark[1]
            continue
        yield number, line


def slug(heading):
    """Returns the anchor that GitHub gives to a heading."""
    heading = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    heading = re.sub(r"<[^>]+>", "", heading)
    kept = (c for c in heading.strip().lower()
            if c in "-_ " or unicodedata.category(c)[0] in "LNM")
    return "".join(kept).replace(" ", "-")


def anchors(text):
    """Returns the anchors of a page."""
    found, seen = set(), {}
    for _, line in prose(text):
        if heading := HEADING.match(line):
            name = slug(heading[2])
            count = seen.get(name, 0)
            seen[name] = count + 1
            found.add(f"{name}-{count}" if count else name)
        found.update(re.findall(r"<[^>]+\b(?:id|name)=\"([^\"]+)\"", line))
    return found


def targets(text):
    """Yields (line number, target) for each link of a page."""
    for number, line in prose(text):
        plain = re.sub(r"(`+).*?\1", lambda m: "`" * len(m[0]), line)  # code spans have no links
        for pattern in (LINK, NESTED_IMAGE, REFERENCE):
            for match in pattern.finditer(plain):
                yield number, match[1]
        for match in re.finditer(r"<[^>]+\b(?:href|src)=\"([^\"]+)\"", plain):
            yield number, match[1]


def pages(root):
    """Yields the Markdown files below a folder."""
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders if f not in (".git", ".venv", "node_modules", "__pycache__")]
        yield from (os.path.join(folder, f) for f in sorted(files) if f.endswith(".md"))


def check(root):
    """Returns the number of links below a folder, and what is wrong with them."""
    wrong, count, texts = [], 0, {}

    def read(path):
        if path not in texts:
            with open(path, encoding="utf-8") as f:
                texts[path] = f.read()
        return texts[path]

    for page in pages(root):
        for number, target in sorted(set(targets(read(page)))):
            if re.match(r"[a-z][a-z0-9+.-]*:|//", target, re.I):
                continue
            count += 1
            path, _, anchor = target.partition("#")
            path = urllib.parse.unquote(path)
            there = os.path.normpath(os.path.join(root if path.startswith("/") else os.path.dirname(page), path.lstrip("/"))) if path else page
            if not os.path.exists(there):
                wrong.append(f"{page}:{number}: {target}: there is no {os.path.relpath(there, root)}")
            elif os.path.relpath(there, root).startswith(".." + os.sep):
                wrong.append(f"{page}:{number}: {target}: leads out of the repository")
            elif anchor and there.endswith(".md") and urllib.parse.unquote(anchor) not in anchors(read(there)):
                wrong.append(f"{page}:{number}: {target}: the page has no such heading")
    return count, wrong


def main(args):
    root = args[0] if args else os.path.normpath(os.path.join(os.path.dirname(__file__), ".."))
    count, wrong = check(root)
    print("\n".join([*wrong, f"{count} relative links, {len(wrong)} of them lead nowhere"]))
    return 1 if wrong or not count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
