#!/usr/bin/env python3
"""Runs `go test` and closes with a count of what ran and the slowest tests.

    scripts/gotest.py [--no-skip] GO-TEST-ARGUMENTS...
    scripts/gotest.py [--no-skip] --split PACKAGE [--first REGEXP] GO-TEST-FLAGS... [-- [MORE-FLAGS...] PACKAGE...]...

Shows go's line for each package, everything a failing test printed, and the
name and reason of each skipped test. Exits with 1 when a test failed, when no
test ran at all and, with --no-skip, when any test was skipped.

--split PACKAGE runs the top-level tests of that package in several processes at
once, beside `go test` with the other packages, one run for each --. Tests that mostly wait then wait
at the same time. A test that --first matches has a process of its own, and
those start first: give it the longest ones. Every process runs the package's
TestMain, with its checks for leaks.
"""
import json
import os
import queue
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time

SLOWEST = 10  # tests that the summary lists
CORES = os.cpu_count() or 1
PROCESSES = CORES + 1  # of a split package at once, as its tests mostly wait; of the other packages CORES run at once
TESTS_EACH = 8  # tests of a split package in one process

# Flags of `go test` that a test binary takes too, and whether a value follows.
BINARY_FLAGS = {"-timeout": True, "-short": False, "-skip": True, "-count": True, "-parallel": True}


class Report:
    """Reads the events of `go test -json` and prints what a reader needs."""

    def __init__(self):
        self.count = {"pass": 0, "fail": 0, "skip": 0}
        self.skipped = []
        self.times = {}  # (package, test) -> seconds
        self.output = {}  # (process, package, test) -> its lines; test "" is the package's own

    def read(self, process, line):
        """Reads one line that a process printed."""
        try:
            event = json.loads(line)
            action = event["Action"]
        except (ValueError, KeyError, TypeError):
            sys.stdout.write(line)
            return
        package, test = event.get("Package", ""), event.get("Test", "")
        key = (process, package, test)
        if action == "build-output":
            sys.stdout.write(event["Output"])
        elif action == "output":
            self.output.setdefault(key, []).append(event["Output"])
        elif action in self.count:
            self.end(key, action, event.get("Elapsed", 0.0))
        sys.stdout.flush()

    def end(self, key, action, seconds):
        """Notes that a test or a package has ended."""
        process, package, test = key
        lines = self.output.pop(key, [])
        if test:
            self.count[action] += 1
            self.times[package, test] = seconds
            if action == "fail":
                sys.stdout.writelines(lines)
            elif action == "skip":
                reason = " ".join(x.strip() for x in lines if not x.lstrip().startswith(("===", "---")))
                self.skipped.append(f"{package} {test}: {reason}")
        elif action == "fail":  # a panic or a data race may stand only here, or in a test that never ended
            for other in [k for k in self.output if k[:2] == key[:2]]:
                sys.stdout.writelines(self.output.pop(other))
            sys.stdout.writelines(lines)
        else:
            sys.stdout.writelines(x for x in lines if x.startswith(("ok", "?", "---")) or "coverage:" in x)

    def slowest(self):
        """Returns lines for the slowest top-level tests, each with its slowest subtest.

        Tests of less than a second are left out.
        """
        lines = []
        tops = sorted(((s, k) for k, s in self.times.items() if "/" not in k[1] and s >= 1), reverse=True)
        for seconds, (package, test) in tops[:SLOWEST]:
            subtests = [(s, k[1]) for k, s in self.times.items() if k[0] == package and k[1].startswith(test + "/")]
            note = ""
            if subtests:
                longest, name = max(subtests)
                note = f" ({len(subtests)} subtests, the slowest {name[len(test) + 1:]}, {longest:.1f}s)"
            lines.append(f"{seconds:6.1f}s {package.rpartition('/')[2]} {test}{note}")
        return lines


def run(command, events, process, folder=None):
    """Runs a command, puts each line of its output into events, and returns its status."""
    proc = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace", cwd=folder)
    for line in proc.stdout:
        events.put((process, line))
    return proc.wait()


def binary_flags(args):
    """Returns those of go test's arguments that a test binary takes, in its spelling."""
    flags = []
    rest = iter(args)
    for arg in rest:
        name, equals, value = arg.partition("=")
        if name in BINARY_FLAGS:
            if BINARY_FLAGS[name] and not equals:
                value = next(rest)
            flags.append(f"-test.{name[1:]}" + (f"={value}" if BINARY_FLAGS[name] or equals else ""))
    return flags


class Split:
    """A package whose tests run in several processes at once."""

    def __init__(self, package, flags, first, temporary):
        self.package = package
        self.flags = flags
        self.binary = os.path.join(temporary, "split.test")
        self.first = first
        self.begin = time.monotonic()

    def build(self):
        """Builds the test binary and lists its tests. Returns go's status."""
        status = subprocess.call(["go", "test", "-c", "-o", self.binary, *self.flags, self.package])
        if status:
            return status
        self.path, self.folder = subprocess.check_output(
            ["go", "list", "-f", "{{.ImportPath}} {{.Dir}}", self.package], text=True).split(None, 1)
        self.folder = self.folder.rstrip("\n")
        listed = subprocess.check_output([self.binary, "-test.list", "."], text=True, cwd=self.folder)
        tests = [x for x in listed.split() if not x.startswith("Benchmark")]
        long = [x for x in tests if self.first and re.search(self.first, x)]
        short = [x for x in tests if x not in long]
        self.groups = [[x] for x in long] + [short[i:i + TESTS_EACH] for i in range(0, len(short), TESTS_EACH)]
        return 0

    def run(self, events, statuses):
        """Runs groups of tests until none is left."""
        while True:
            try:
                group = self.groups.pop(0)
            except IndexError:
                return
            command = ["go", "tool", "test2json", "-t", "-p", self.path, self.binary, "-test.v=test2json",
                       "-test.run", f"^({'|'.join(group)})$", *binary_flags(self.flags)]
            status = run(command, events, f"split {group[0]}", self.folder)
            if status:
                events.put(("", f"exit status {status} of a process with {' '.join(group)}\n"))
            statuses.append(status)


def parts(args):
    """Returns the arguments before, between and after each --."""
    found = [[]]
    for arg in args:
        if arg == "--":
            found.append([])
        else:
            found[-1].append(arg)
    return found


def option(args, name, value=False):
    """Takes an option of this script's own out of the arguments."""
    if name not in args:
        return "" if value else False
    i = args.index(name)
    args.pop(i)
    return args.pop(i) if value else True


def main(args):
    args = list(args)
    no_skip = option(args, "--no-skip")
    package, first = option(args, "--split", True), option(args, "--first", True)
    report, events, statuses, begin = Report(), queue.Queue(), [], time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        workers, runs = [], [args]
        if package:
            flags, *others = parts(args)
            runs = [["-p", str(CORES), *flags, *other] for other in others]
            split = Split(package, flags, first, temporary)
            if status := split.build():
                return status
            workers = [threading.Thread(target=split.run, args=(events, statuses)) for _ in range(PROCESSES)]
        workers.append(threading.Thread(
            target=lambda: statuses.extend(run(["go", "test", "-json", *each], events, "go test") for each in runs)))
        for worker in workers:
            worker.start()
        threading.Thread(target=lambda: ([w.join() for w in workers], events.put(None))).start()
        while (item := events.get()) is not None:
            report.read(*item)
    status = max(statuses, key=abs, default=0)
    if package:
        print(f"{'FAIL' if status else 'ok'}  \t{split.path}\t{time.monotonic() - split.begin:.3f}s in {PROCESSES} processes at once")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{time.monotonic() - begin:.0f}s, in which {CORES} cores worked for {used.ru_utime + used.ru_stime:.0f}s")
    for line in report.skipped:
        print("skipped:", line)
    for i, line in enumerate(report.slowest()):
        print("slowest:" if i == 0 else "        ", line)
    print("{pass} passed, {fail} failed, {skip} skipped".format(**report.count))
    if status == 0 and sum(report.count.values()) == 0:
        print("no test ran")
        status = 1
    if status == 0 and no_skip and report.skipped:
        print("tests were skipped, and here none may be")
        status = 1
    return 1 if status else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
