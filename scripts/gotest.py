#!/usr/bin/env python3
"""Runs `go test` and closes with a count of what ran.

    scripts/gotest.py [--no-skip] GO-TEST-ARGUMENTS...

Shows go's line for each package, everything a failing test printed, and the name and
reason of each skipped test. Exits with go's status; 1 when no test ran at all; with
--no-skip, 1 when any test was skipped.
"""
import json
import subprocess
import sys


def main(args):
    no_skip = "--no-skip" in args
    args = [a for a in args if a != "--no-skip"]
    proc = subprocess.Popen(["go", "test", "-json", *args], stdout=subprocess.PIPE, text=True, errors="replace")
    output = {}  # (package, test) -> its lines; test "" is the package's own
    count = {"pass": 0, "fail": 0, "skip": 0}
    skipped = []
    for line in proc.stdout:
        try:
            event = json.loads(line)
            action = event["Action"]
        except (ValueError, KeyError, TypeError):
            sys.stdout.write(line)
            continue
        test = event.get("Test", "")
        key = (event.get("Package", ""), test)
        if action == "build-output":
            sys.stdout.write(event["Output"])
        elif action == "output":
            output.setdefault(key, []).append(event["Output"])
        elif action in count:
            lines = output.pop(key, [])
            if test:
                count[action] += 1
                if action == "fail":
                    sys.stdout.writelines(lines)
                elif action == "skip":
                    reason = " ".join(x.strip() for x in lines if not x.lstrip().startswith(("===", "---")))
                    skipped.append(f"{key[0]} {test}: {reason}")
            elif action == "fail":  # a panic or a data race may stand only here, or in a test that never ended
                for other in [k for k in output if k[0] == key[0]]:
                    sys.stdout.writelines(output.pop(other))
                sys.stdout.writelines(lines)
            else:
                sys.stdout.writelines(x for x in lines if x.startswith(("ok", "?", "---")) or "coverage:" in x)
        sys.stdout.flush()
    status = proc.wait()
    for line in skipped:
        print("skipped:", line)
    print("{pass} passed, {fail} failed, {skip} skipped".format(**count))
    if status == 0 and sum(count.values()) == 0:
        print("no test ran")
        status = 1
    if status == 0 and no_skip and skipped:
        print("tests were skipped, and here none may be")
        status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
