#!/usr/bin/env python3
"""Writes which modules are linked into programs, with their licenses, to docs/licenses.md.

    scripts/licenses.py            by go-licenses; needs the network the first time
    scripts/licenses.py --check    only compares modules and versions, and fails if they differ

The table stands between two marks; the text around it is written by hand.
"""
import json
import os
import subprocess
import sys

GO_LICENSES = "github.com/google/go-licenses@v1.6.0"
PAGE = "docs/licenses.md"
BEGIN, END = "<!-- licenses: begin -->", "<!-- licenses: end -->"
OWN = "github.com/vidgear-go/netgear"
# Modules of which nothing is part of an application.
TOOLS = {"./bench", "./examples"}
ENV = {**os.environ, "GOWORK": "off", "GOFLAGS": "-buildvcs=false"}


def go(folder, *args):
    run = subprocess.run(["go", "-C", folder, *args], env=ENV, check=True, stdout=subprocess.PIPE, text=True)
    return run.stdout


def parts():
    """Returns the repository's modules as folders, the library first."""
    work = json.loads(subprocess.check_output(["go", "work", "edit", "-json"]))
    return sorted(use["DiskPath"] for use in work["Use"] if use["DiskPath"] not in TOOLS)


def modules(folder):
    """Returns the version of each module with a package that is linked."""
    listing = go(folder, "list", "-deps", "-f", "{{with .Module}}{{.Path}} {{.Version}}{{end}}", "./...")
    found = dict(line.split(" ", 1) for line in listing.splitlines() if line)
    return {path: version for path, version in found.items() if not path.startswith(OWN)}


def licenses(folder):
    """Returns the license of each package, or group of packages."""
    run = subprocess.run(["go", "run", GO_LICENSES, "report", "--ignore", OWN, "./..."],
                         cwd=folder, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if run.returncode:
        sys.exit(run.stderr)
    return {row.split(",")[0]: row.split(",")[2] for row in run.stdout.splitlines()}


def cells(row):
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def listed(text):
    """Returns (module, version, parts) of each row of the page."""
    table = text[text.index(BEGIN):text.index(END)]
    rows = [cells(line) for line in table.splitlines() if line.startswith("| [")]
    return {(row[0].split("]")[0].lstrip("["), row[1], row[3]) for row in rows}


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    with open(PAGE, encoding="utf-8") as page:
        text = page.read()
    names = {".": "the library"}
    users, found = {}, {}
    for folder in parts():
        for item in modules(folder).items():
            users.setdefault(item, []).append(names.get(folder, folder.removeprefix("./")))
        if "--check" not in sys.argv:
            found.update(licenses(folder))
    by = {item: "all" if "the library" in using else ", ".join(using) for item, using in users.items()}
    if "--check" in sys.argv:
        want = {(path, version, using) for (path, version), using in by.items()}
        if want != listed(text):
            for row in sorted(want ^ listed(text)):
                print(*row, sep="  ")
            sys.exit(f"{PAGE} does not list these modules, or lists others: run make licenses")
        print(f"{len(want)} modules")
        return
    rows = ["| module | version | license | linked by |", "|---|---|---|---|"]
    for (path, version), using in sorted(by.items()):
        kinds = sorted({kind for name, kind in found.items() if name == path or name.startswith(path + "/")})
        if not kinds:
            sys.exit(f"go-licenses reports no license for {path}")
        rows.append(f"| [{path}](https://pkg.go.dev/{path}@{version}?tab=licenses) | {version} | {', '.join(kinds)} | {using} |")
    before, after = text[:text.index(BEGIN) + len(BEGIN)], text[text.index(END):]
    with open(PAGE, "w", encoding="utf-8") as page:
        page.write(before + "\n\n" + "\n".join(rows) + "\n\n" + after)


main()
