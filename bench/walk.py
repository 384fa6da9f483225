"""The figures of the walk, as a table: `make bench`. Takes about ten minutes; nothing else should run beside it.

Everything is measured from outside, on the `trueup` program: processes, `/metrics`, `/proc`. Ratios come from one run.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.estate import SHARED_BY, folder, make, manifest, name

TRUEUP = Path(sys.executable).parent / "trueup"
TICKS = os.sysconf("SC_CLK_TCK")


class Serve:
    """A `trueup serve` process and what can be seen of it."""

    def __init__(self, bare: Path, state: Path, poll: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.begun = time.monotonic()
        self.environment = {**os.environ, "TRUEUP_STATE": str(state), "BENCH_TOKEN": "bench", "TRUEUP_TRIGGER_TOKEN_ENV": "BENCH_TOKEN"}
        arguments = [str(TRUEUP), "serve", "--repo", str(bare), "--poll", poll, "--listen", f"127.0.0.1:{self.port}"]
        self.log = (state.parent / f"{state.name}.log").open("wb")
        self.process = subprocess.Popen(arguments, env=self.environment, stderr=self.log, stdout=self.log)

    def metrics(self) -> dict[str, float]:
        """Every sample by its name with labels."""
        text = urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30).read().decode()
        return {found[1]: float(found[2]) for found in re.finditer(r"^([^#\s][^ ]*(?:\{[^}]*\})?) ([0-9.e+-]+)$", text, re.MULTILINE)}

    def counted(self) -> tuple[float, float, float]:
        """Renders, plans and runs so far."""
        samples = self.metrics()
        runs = sum(value for key, value in samples.items() if key.startswith("trueup_runs_total"))
        return samples.get("trueup_renders_total", 0.0), samples.get('trueup_stage_seconds_count{stage="plan"}', 0.0), runs

    def trigger(self) -> None:
        """Tell it that somebody pushed."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/v1/repositories/trigger", b"{}", method="POST")
        request.add_header("Authorization", "Bearer bench")
        request.add_header("Content-Type", "application/json")
        urllib.request.urlopen(request, timeout=30).read()

    def wait(self, true: Callable[[], bool], seconds: float, pause: float = 0.02) -> float:
        """Seconds until it is true."""
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            if self.process.poll() is not None:
                raise SystemExit(f"serve ended with {self.process.returncode}; see {self.log.name}")
            try:
                if true():
                    return time.monotonic() - begun
            except OSError:
                pass
            time.sleep(pause)
        raise SystemExit(f"not true after {seconds} s; see {self.log.name}")

    def wait_for_runs(self, runs: float) -> float:
        """Seconds until so many runs have ended since it began."""
        return self.wait(lambda: self.counted()[2] >= runs, 60, 0.003)

    def synced(self) -> float:
        """How many applications are synced and healthy."""
        return self.metrics().get('trueup_applications{health="healthy",sync="synced"}', 0.0)

    def memory(self, field: str) -> float:
        """`VmRSS` or `VmHWM`, in MiB."""
        found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        return int(found[1]) / 1024 if found else 0.0

    def processor(self) -> float:
        """Seconds of processor time so far, with what it started and runs, and those of the programs that ended."""
        return sum(_processor(each) for each in _family(self.process.pid))

    def stop(self) -> None:
        """End it and wait."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.log.close()


def _family(number: int) -> list[int]:
    """A process and all that it started."""
    parents: dict[int, list[int]] = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and (stat := _stat(int(process.name))):
            parents.setdefault(int(stat[1]), []).append(int(process.name))
    found = [number]
    for member in found:
        found.extend(parents.get(member, []))
    return found


def _processor(number: int) -> float:
    return sum(map(int, _stat(number)[11:15])) / TICKS


def _stat(number: int) -> list[str]:
    """The fields behind the name; none when it has gone."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


@contextmanager
def serving(bare: Path, state: Path, poll: str = "30s") -> Iterator[Serve]:
    """A serve for a while."""
    serve = Serve(bare, state, poll)
    try:
        yield serve
    finally:
        if serve.process.poll() is None:
            serve.stop()


class Clone:
    """A clone from which commits are pushed."""

    def __init__(self, bare: Path, where: Path) -> None:
        self.where = where
        self.git("clone", "-q", str(bare), str(where), inside=False)
        self.git("config", "user.name", "Bench")
        self.git("config", "user.email", "bench@example.org")

    def git(self, *arguments: str, inside: bool = True) -> None:
        """Run git in it."""
        subprocess.run(["git", *(["-C", str(self.where)] if inside else []), *arguments], check=True, capture_output=True)

    def push(self, path: str, text: str) -> None:
        """One file, one commit, one push."""
        (self.where / path).write_text(text)
        self.git("commit", "-qam", f"touch {path}")
        self.git("push", "-q")


Counts = list[tuple[float, float, float]]


def push_to_applied(
    serve: Serve, clone: Clone, path: str, texts: list[str], expected: int
) -> tuple[float, list[tuple[float, float, float]]]:
    """The median of seconds from the end of a push to all applied, and (renders, plans, runs) of each."""
    times, counts = [], []
    for text in texts:
        before = serve.counted()
        clone.push(path, text)
        begun = time.monotonic()
        serve.trigger()
        serve.wait_for_runs(before[2] + expected)
        times.append(time.monotonic() - begun)
        time.sleep(0.5)
        after = serve.counted()
        counts.append((after[0] - before[0], after[1] - before[1], after[2] - before[2]))
    return statistics.median(times), counts


def whole_process(arguments: list[str], state: Path, expected: int, times: int = 7) -> float:
    """The median of a command's seconds as a whole process."""
    taken = []
    for _ in range(times):
        begun = time.monotonic()
        done = subprocess.run([str(TRUEUP), *arguments], env={**os.environ, "TRUEUP_STATE": str(state)}, capture_output=True, check=False)
        taken.append(time.monotonic() - begun)
        if done.returncode != expected:
            raise SystemExit(f"{arguments} ended with {done.returncode}: {done.stderr.decode()}")
    return statistics.median(taken)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--applications", type=int, default=5000)
    parser.add_argument("--commits", type=int, default=200)
    parser.add_argument("--pushes", type=int, default=100)
    parser.add_argument("--idle", type=float, default=65.0, help="seconds to watch an idle serve")
    parser.add_argument("--only", default="", help="a comma-separated choice of: cold, one, shared, plan, pushes")
    chosen = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="trueup-bench-"))
    try:
        rows = measure(chosen, place, set(chosen.only.split(",")) - {""} or {"cold", "one", "shared", "plan", "pushes"})
    finally:
        shutil.rmtree(place, ignore_errors=True)
    print("\n| what | must | measured |\n|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


Rows = list[tuple[str, str, str]]


def measure(chosen: argparse.Namespace, place: Path, what: set[str]) -> Rows:
    """The rows of the table."""
    large, count = place / "large.git", chosen.applications
    tell(f"making a repository of {count} applications and {chosen.commits} commits")
    make(large, count, chosen.commits)
    clone = Clone(large, place / "large")
    tell("cold start")
    with serving(large, place / "state") as serve:
        serve.wait(lambda: serve.synced() >= count, 600, 0.2)
        cold = time.monotonic() - serve.begun
        rows: Rows = [(f"cold start, {count} applications of 4 manifests", "60 s", f"{cold:.1f} s")]
        if "cold" in what:
            rows += idle(serve, chosen.idle)
        if "one" in what:
            rows += one_touched(serve, clone, count, place)
        if "shared" in what:
            rows += many_touched(serve, clone)
        if "pushes" in what:
            rows += many_pushes(serve, clone, count, chosen.pushes)
    if "plan" in what:
        rows += commands(large, place / "state", count)
    return rows


def idle(serve: Serve, seconds: float) -> Rows:
    """Memory, and what an idle serve costs."""
    tell("idle")
    resident = f"{serve.memory('VmHWM'):.0f}; {serve.memory('VmRSS'):.0f} MiB"
    time.sleep(3)
    before, begun = serve.processor(), time.monotonic()
    time.sleep(seconds)
    share = (serve.processor() - before) / (time.monotonic() - begun)
    return [
        ("its resident memory (highest; afterwards)", "400 MiB", resident),
        ("idle, processor time with a 30 s poll", "1 % of a core", f"{share * 100:.2f} %"),
    ]


def one_touched(serve: Serve, clone: Clone, count: int, place: Path) -> Rows:
    """A commit that touches one application of many, and of ten."""
    tell("a commit that touches one application")
    texts = [manifest(count - 1, 1, f"push {number}") for number in range(7)]
    one, counts = push_to_applied(serve, clone, f"{folder(count - 1)}/1.yaml", texts, 1)
    few = place / "ten.git"
    make(few, 10, 200, shared_by=0)
    with serving(few, place / "state-ten") as tiny:
        tiny.wait(lambda: tiny.synced() >= 10, 60)
        texts = [manifest(9, 1, f"push {number}") for number in range(7)]
        ten, _ = push_to_applied(tiny, Clone(few, place / "ten"), f"{folder(9)}/1.yaml", texts, 1)
    return [
        ("a commit that touches 1: renders, plans, runs", "1, 1, 1", told(counts)),
        (f"push to applied, {count} applications", "-", f"{one * 1000:.0f} ms"),
        ("the same, 10 applications", "-", f"{ten * 1000:.0f} ms"),
        ("ratio", "at most 3", f"{one / ten:.2f}"),
    ]


def many_touched(serve: Serve, clone: Clone) -> Rows:
    """A commit that touches a file which several share."""
    tell(f"a commit that touches a file shared by {SHARED_BY}")
    texts = [manifest(99999, 1, f"push {number}") for number in range(3)]
    seconds, counts = push_to_applied(serve, clone, "shared/1.yaml", texts, SHARED_BY)
    return [
        (f"a commit that touches a file shared by {SHARED_BY}: renders, plans, runs", f"{SHARED_BY} each", told(counts)),
        ("push to all of them applied", "-", f"{seconds * 1000:.0f} ms"),
    ]


def commands(bare: Path, state: Path, count: int) -> Rows:
    """Commands as whole processes."""
    tell("commands")
    planned = whole_process(["plan", "--repo", str(bare), "--app", name(count - 1)], state, 0)
    helped = whole_process(["--help"], state, 0)
    return [
        ("`trueup plan --app ..` as a whole process, state warm", "1 s", f"{planned * 1000:.0f} ms"),
        ("`trueup --help`", "300 ms", f"{helped * 1000:.0f} ms"),
    ]


def many_pushes(serve: Serve, clone: Clone, applications: int, pushes: int) -> Rows:
    """One commit a second, each touching another application."""
    tell(f"{pushes} commits, one a second")
    before = serve.counted()[2]
    for number in range(pushes):
        begun = time.monotonic()
        touched = applications - 2 - number
        clone.push(f"{folder(touched)}/2.yaml", manifest(touched, 2, "one of many"))
        serve.trigger()
        time.sleep(max(0.0, 1 - (time.monotonic() - begun)))
    serve.wait(lambda: serve.counted()[2] - before >= pushes, 60)
    time.sleep(2)
    runs = serve.counted()[2] - before
    listed = subprocess.run(
        [str(TRUEUP), "status", "--repo", str(clone.where.parent / "large.git"), "-o", "json"],
        env=serve.environment,
        capture_output=True,
        check=True,
    )
    items = json.loads(listed.stdout)["items"]
    done = sum(item["revision"] == item["desiredRevision"] and item["sync"] == "synced" for item in items)
    return [
        (f"{pushes} commits, one a second: runs", f"{pushes}", f"{runs:.0f}"),
        ("applications as Git says afterwards", f"{applications}", f"{done}"),
    ]


def told(counts: Counts) -> str:
    """The counts, once when they are all the same."""
    texts = [", ".join(f"{each:.0f}" for each in one) for one in counts]
    return texts[0] if len(set(texts)) == 1 else " / ".join(texts)


def tell(text: str) -> None:
    """Progress."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
