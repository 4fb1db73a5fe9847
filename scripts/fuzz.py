#!/usr/bin/env python3
"""Runs the fuzz targets of the modules in go.work, and prints a table.

    scripts/fuzz.sh [TIME [PATTERN]]       each target for TIME (default 30s), in one turn
    scripts/fuzz.sh --for TIME [PATTERN]   all targets together for TIME, in turns
    scripts/fuzz.sh --table [MODE]         the sums of all runs in FUZZLOG

PATTERN chooses the targets whose DIRECTORY/NAME matches it (default all).
FUZZLOG: a file to which the figures of each turn are added. --table prints the
sums of all, or of those with MODE (a value of SANITIZE, or plain).
FUZZCORPUS: a folder for the new inputs, with which the next run goes on (default
Go's cache, which `go test -fuzz` uses too).
FUZZTAGS: build tags (default nogocv, with which one target more is built).
FUZZWORKERS: processes at a time (default one for each core).

With --for, the next turn goes to the target that has had the least CPU time. If
its last turn found something, a quarter of its time counts. A target is
saturated, and gets no more turns, when it has found nothing for a minute of CPU
time and for half of its CPU time. TIME does not include building.

"New" is an input that covers more than all before it. CPU time is that of a
target's processes, which read the kept inputs again at each turn; executions are
counted without these.

A failing input ends its target, and the others go on. If it passes ten times
when it is run alone, in less than ten seconds of CPU time each, the failure is
"not repeated", and the target goes on: Go ends a process that takes ten seconds
of real time for one input, which happens on a busy machine. Ctrl-C ends the run, and prints the table so far.
"""
import collections
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

QUIET = 60  # seconds of CPU time without a new input until a target is saturated
SLOW = 10  # seconds of CPU time for one input that are a failure
TURNS = 5  # of a target, on average, with --for
# The packages whose coverage guides the fuzzing: this library, and what reads for
# it. `go test -fuzz` instruments all packages, and looks at all of their counters
# after each execution: the root package's targets are 3 to 25 times as slow then.
INSTRUMENTED = (
    "github.com/vidgear-go/netgear/...", "encoding/json", "image/gif", "image/png",
    "mime/multipart", "net/textproto", "github.com/coder/websocket",
    "github.com/pelletier/go-toml/v2/...", "github.com/vmihailenco/msgpack/v5/...", "golang.org/x/crypto/ssh/knownhosts",
)
EXECUTIONS = re.compile(r"execs: (\d+) .*new interesting: (\d+)")
BASELINE = re.compile(r"baseline coverage: (\d+)/\1 completed, now")
# Go before 1.27 fails with this at the end of some runs (golang/go#75804).
LATE = re.compile(r"^ *context deadline exceeded$", re.M)
INPUT = re.compile(r"^ *Failing input written to (\S+)", re.M)


class Figures:
    """The sums of a target's turns."""

    FIELDS = ("cpu", "execs", "new", "failed", "flukes", "execs_since", "cpu_since")

    def __init__(self, *values):
        self.__dict__.update(zip(self.FIELDS, values or [0] * len(self.FIELDS)))
        self.hot = False  # whether the last turn found something

    def add(self, turn):
        self.hot = turn.new > 0
        if self.hot:
            self.execs_since = self.cpu_since = 0
        for field in self.FIELDS:
            setattr(self, field, getattr(self, field) + getattr(turn, field))

    def saturated(self):
        return self.cpu_since >= max(QUIET, self.cpu / 2)

    def state(self):
        if self.failed:
            return "failed"
        return "saturated" if self.saturated() else "goes on"


class Target:
    def __init__(self, folder, name, package):
        self.folder, self.name, self.package = folder, name, package
        self.label = f"{folder}/{name}"
        self.figures = Figures()
        self.busy = self.stretch = 0

    def due(self):
        return self.figures.cpu / (4 if self.figures.hot else 1)


def targets(pattern):
    found = []
    for folder, folders, files in os.walk("."):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(files):
            if file.endswith("_test.go"):
                with open(os.path.join(folder, file), encoding="utf-8") as source:
                    names = re.findall(r"^func (Fuzz[A-Z0-9_]\w*)\(", source.read(), re.M)
                found += [(folder, name) for name in names if re.search(pattern, f"{folder}/{name}")]
    if not found:
        sys.exit(f"fuzz: no target matches {pattern or 'anything'}")
    listed = subprocess.check_output(["go", "list", *TAGS, "-f", "{{.Dir}}\t{{.ImportPath}}", *{folder for folder, _ in found}], text=True)
    package = dict(line.split("\t") for line in listed.splitlines())
    return [Target(folder, name, package[os.path.abspath(folder)]) for folder, name in found]


class Run:
    def __init__(self, chosen, seconds, each):
        self.targets, self.seconds, self.each = chosen, seconds, each
        self.workers = int(os.environ.get("FUZZWORKERS") or os.cpu_count())
        self.parallel = max(1, self.workers // len(chosen))
        self.turn = seconds if each else min(300, max(10, seconds * self.workers / len(chosen) / TURNS))
        self.corpus = os.path.abspath(os.environ.get("FUZZCORPUS") or os.path.join(
            subprocess.check_output(["go", "env", "GOCACHE"], text=True).strip(), "fuzz"))
        self.mode = os.environ.get("SANITIZE") or "plain"
        self.lock = threading.Lock()
        self.children = set()
        self.stopped = self.broken = False
        self.start = 0

    def say(self, text):
        print("\r\033[K" + text if sys.stdout.isatty() else text, flush=True)

    def build(self, where):
        folders = list(dict.fromkeys(target.folder for target in self.targets))
        for number, folder in enumerate(folders):
            self.say(f"building {number + 1} of {len(folders)}: {folder}")
            binary = os.path.join(where, f"{number}.test")
            subprocess.run(["go", "test", *TAGS, "-c", *(f"-gcflags={path}=-d=libfuzzer" for path in INSTRUMENTED), "-o", binary, folder], check=True)
            for target in self.targets:
                if target.folder == folder:
                    target.binary = binary

    def left(self):
        return self.turn if self.each else self.seconds - (time.monotonic() - self.start)

    def next(self):
        """Returns the target of the next turn, or None at the end."""
        while not self.stopped and self.left() >= min(4, self.seconds):
            with self.lock:
                going = [t for t in self.targets if not t.figures.failed and not (
                    t.figures.cpu if self.each else t.figures.saturated())]
                free = [t for t in going if not t.busy]
                if free:
                    target = min(free, key=Target.due)
                    target.busy = True
                    return target
            if self.each or not going:
                return None
            time.sleep(0.2)  # fewer targets than workers are left
        return None

    def execute(self, target, *args):
        """Runs a test binary, and returns its status, output and CPU seconds."""
        child = subprocess.Popen([target.binary, *args], cwd=target.folder, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        with self.lock:
            self.children.add(child.pid)
        if self.stopped:
            self.stop()
        output = child.stdout.read().decode(errors="replace")
        with self.lock:
            self.children.discard(child.pid)
            _, status, usage = os.wait4(child.pid, 0)
        child.returncode = status
        return status, output, usage.ru_utime + usage.ru_stime

    def repeats(self, target, path):
        """Reports whether an input fails again. One that does not joins the corpus."""
        name = os.path.basename(path)
        status, _, cpu = self.execute(target, f"-test.run=^{target.name}$/^{name}$", "-test.count=10", "-test.timeout=10m")
        if self.stopped:
            return True  # it is not known, and the input stays where it is
        failed = status != 0 or cpu > 10 * SLOW
        if not failed:
            kept = os.path.join(self.corpus, target.package, target.name)
            os.makedirs(kept, exist_ok=True)
            shutil.move(os.path.join(target.folder, path), os.path.join(kept, name))
        return failed

    def take_turn(self, target):
        seconds = max(1, round(min(self.turn * 2 ** target.stretch, self.left())))
        # By default minimizing each finding takes up to a minute, without fuzzing.
        status, output, cpu = self.execute(
            target, "-test.run=^$", f"-test.fuzz=^{target.name}$", f"-test.fuzztime={seconds}s",
            "-test.fuzzminimizetime=20x", f"-test.parallel={self.parallel}",
            f"-test.fuzzcachedir={os.path.join(self.corpus, target.package)}")
        baseline = BASELINE.search(output)
        first = int(baseline[1]) if baseline else 0
        if not baseline:
            target.stretch += 1  # reading the kept inputs took the whole turn
        last, new, execs = first, 0, first
        for execs, count in (map(int, match.groups()) for match in EXECUTIONS.finditer(output)):
            if count > new:
                last, new = execs, count
        found = INPUT.search(output)
        failed = status != 0 or "no fuzz tests to fuzz" in output
        if self.stopped or LATE.search(output) and not found:
            failed = False
        fluke = failed and found and not self.repeats(target, found[1])
        ran, since = max(0, execs - first), max(0, execs - max(first, last))
        turn = Figures(cpu, ran, new, int(failed and not fluke), int(bool(fluke)), since,
                       cpu * since / ran if new else cpu)
        with self.lock:
            target.figures.add(turn)
            target.busy = False
            self.say(f"{clock(time.monotonic() - self.start)} {target.label}: {seconds} s, {cpu:.1f} s CPU, "
                     f"{ran} executions, {new} new; {target.figures.state()}")
            if failed:
                self.say(output)
                self.say("not repeated: it passed ten times when it was run alone" if fluke else "")
                if found and not fluke:
                    with open(os.path.join(target.folder, found[1]), encoding="utf-8", errors="replace") as file:
                        self.say(file.read(20000))
            if LOG:
                with open(LOG, "a", encoding="utf-8") as file:
                    print(target.label, self.mode, *(getattr(turn, field) for field in Figures.FIELDS), sep="\t", file=file)

    def work(self):
        try:
            while (target := self.next()) is not None:
                self.take_turn(target)
        except Exception:  # the others go on
            self.broken = True
            self.say(traceback.format_exc())

    def stop(self, *_):
        self.stopped = True
        for pid in list(self.children):
            try:
                os.kill(pid, signal.SIGINT)
            except ProcessLookupError:
                pass

    def go(self):
        signal.signal(signal.SIGINT, self.stop)
        signal.signal(signal.SIGTERM, self.stop)
        self.start = time.monotonic()
        total = self.seconds * (-(-len(self.targets) // self.workers) if self.each else 1)
        threads = [threading.Thread(target=self.work) for _ in range(self.workers // self.parallel)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            if sys.stdout.isatty():
                states = collections.Counter(t.figures.state() for t in self.targets)
                print(f"\r\033[K{clock(time.monotonic() - self.start)} of {clock(total)}: "
                      + ", ".join(f"{count} {state}" for state, count in states.items())
                      + "; now " + " ".join(t.name for t in self.targets if t.busy), end="", flush=True)
            time.sleep(1)
        print("\r\033[K" if sys.stdout.isatty() else "")


def clock(seconds):
    return "%d:%02d:%02d" % (seconds // 3600, seconds // 60 % 60, seconds % 60)


def table(rows):
    """Prints the figures of (target, mode)."""
    print("| target | mode | CPU minutes | executions | a CPU second | new inputs | executions since | CPU minutes since | not repeated | state |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|---|")
    total = Figures()
    for (label, mode), f in rows:
        print(f"| {label} | {mode} | {f.cpu / 60:.1f} | {f.execs} | {f.execs / (f.cpu or 1):.0f} | {f.new} | {f.execs_since} "
              f"| {f.cpu_since / 60:.1f} | {f.flukes} | {f.state()} |")
        total.add(f)
    states = collections.Counter(f.state() for _, f in rows)
    print(f"| {len(rows)} in total | | {total.cpu / 60:.1f} | {total.execs} | {total.execs / (total.cpu or 1):.0f} | {total.new} | | "
          f"| {total.flukes} | {', '.join(f'{count} {state}' for state, count in sorted(states.items()))} |")


def logged(mode):
    rows = {}
    with open(LOG, encoding="utf-8") as file:
        for line in file:
            label, of, *values = line.rstrip("\n").split("\t")
            if mode in ("", of):
                rows.setdefault((label, of), Figures()).add(Figures(*map(float, values)))
    for f in rows.values():
        for field in ("execs", "new", "failed", "flukes", "execs_since"):
            setattr(f, field, int(getattr(f, field)))
    return list(rows.items())


def duration(text):
    if not re.fullmatch(r"(\d+h)?(\d+m)?(\d+s)?", text) or not text:
        sys.exit(f"fuzz: {text} is no time such as 30s or 1h30m")
    return sum(int(n) * {"h": 3600, "m": 60, "s": 1}[unit] for n, unit in re.findall(r"(\d+)(.)", text))


def main(args):
    if args[:1] in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    if args[:1] == ["--table"]:
        if not LOG:
            sys.exit("fuzz: --table needs FUZZLOG")
        table(logged("".join(args[1:2])))
        return 0
    each = args[:1] != ["--for"]
    args = args if each else args[1:]
    if len(args) > 2 or not each and not args:
        sys.exit(__doc__)
    run = Run(targets("".join(args[1:2])), duration((args or ["30s"])[0]), each)
    if run.workers < 1 or run.seconds < 1:
        sys.exit("fuzz: no time, or no process to use it")
    with tempfile.TemporaryDirectory() as where:
        run.build(where)
        run.go()
    table([((t.label, run.mode), t.figures) for t in run.targets])
    failed = [t.label for t in run.targets if t.figures.failed]
    print("\n" + ("\n  ".join([f"{len(failed)} of {len(run.targets)} fuzz targets failed:", *failed]) if failed else
                  f"{len(run.targets)} fuzz targets, no failure."))
    return bool(failed or run.broken)


TAGS = ["-tags", os.environ.get("FUZZTAGS", "nogocv")]
LOG = os.environ.get("FUZZLOG", "")
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
