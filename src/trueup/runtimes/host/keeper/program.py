"""Keeps one service running, or runs one job, until it is told to stop."""

import json
import os
import select
import signal
import time
from collections.abc import Callable
from typing import Any

from trueup.runtimes.host.keeper.command import CannotStart, Surroundings, ending, start
from trueup.runtimes.host.keeper.file import content
from trueup.runtimes.host.keeper.log import Log, stamp
from trueup.runtimes.host.keeper.probe import PATIENCE, Probe
from trueup.runtimes.host.keeper.process import Process, below, process, processes, send, token_of
from trueup.runtimes.host.keeper.state import REQUEST, State

SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
STEADY = 10.0
"""A service that ran this long has not ended at once: its next pause is the shortest again."""
QUICK_EXITS = 3
"""After so many quick ends in a row a service counts as failing; it is started again all the same."""
FIRST_LOOK = 0.05
"""Seconds from a start to the first look; the next ones come at twice the distance, up to the interval."""
LONGEST_HANDOVER = 240
"""How often the version before is asked to stop, twice a second, before it is killed with its keeper."""
STILL_READY = 10.0
"""Seconds between two looks at a service that is ready."""


class Order:
    """What a keeper is to do. ``limit`` bounds a job's time; it is 0 for a service. ``restart``: always, onFailure or never."""

    def __init__(self, plain: dict[str, Any], folder: str, port: int) -> None:
        self.folder = folder
        self.command: list[str] = plain["command"]
        environment: dict[str, str] = dict(plain["environment"])
        if port:
            environment["PORT"] = str(port)
        self.surroundings = Surroundings(plain["directory"], environment, plain["user"])
        self.restart: str = plain["restart"]
        self.stop_signal: int = plain["stop"]["signal"]
        self.stop_timeout: float = plain["stop"]["timeout"]
        self.interval: float = plain["readiness"]["interval"]
        self.timeout: float = plain["readiness"]["timeout"]
        self.limit: float = plain["limit"]


class Keeper:
    """One loop that waits for signals, output and timers; whatever happens is written to the state at once."""

    def __init__(self, order: Order, state: State, log: Log, probe: Probe) -> None:
        self.order = order
        self.state = state
        self.log = log
        self.probe = probe
        self.timers: dict[str, float] = {}
        self.poller = select.poll()
        self.output = -1
        self.stopping = ""
        self.over = False
        self.pause = SHORTEST_PAUSE
        self.quick = 0
        self.began = 0.0
        self.failures = 0
        self.eager = FIRST_LOOK
        self.absences = 0
        self.handing = 0

    def run(self, begun: Callable[[], None]) -> None:
        """Until told to stop, or until a job has ended and its result is on disk. ``begun`` is called once the first start was tried."""
        wake, signals = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(signals, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, _awake)
        self.poller.register(wake, select.POLLIN)
        self._after("home", STEADY)
        self._on_start()
        begun()
        while not self.over:
            ready = [descriptor for descriptor, _ in self.poller.poll(self._patience())]
            if wake in ready:
                self._hear(os.read(wake, 512))
            if self.output in ready:
                self._read()
            if self.probe.descriptor in ready:
                self._watch_probe(lambda: self._judge(self.probe.proceed()))
            self._fire()

    # Time

    def _after(self, timer: str, seconds: float) -> None:
        self.timers[timer] = time.monotonic() + seconds

    def _patience(self) -> float:
        return max(0.0, min(self.timers.values(), default=time.monotonic() + STEADY) - time.monotonic()) * 1000 + 1

    def _fire(self) -> None:
        now = time.monotonic()
        for timer in [name for name, due in self.timers.items() if due <= now]:
            if self.timers.pop(timer, None) is not None:
                getattr(self, f"_on_{timer}")()

    # What is asked of the keeper

    def _hear(self, signals: bytes) -> None:
        if signal.SIGCHLD in signals:
            self._reap()
        if signal.SIGHUP in signals:
            self._reload()
        if signal.SIGTERM in signals:
            self._stop("stopped")

    def _reload(self) -> None:
        try:
            request = json.loads(content(f"{self.order.folder}/{REQUEST}"))
        except (OSError, ValueError):
            return
        if self.state.process:
            send(self.state.process, request["signal"])
        self.log.note(f"sent {signal.Signals(request['signal']).name}")
        self.state.version, self.state.uses = request["version"], request["uses"]
        self._save()

    def _stop(self, why: str) -> None:
        if self.stopping:
            return
        self.stopping = why
        self.timers = {name: due for name, due in self.timers.items() if name == "save"}
        self._watch_probe(self.probe.abandon)
        self.state.phase, self.state.ready = "stopping", False
        self._save()
        self.log.note(f"{why}: sending {signal.Signals(self.order.stop_signal).name}")
        if self.state.process:
            _signal_group(self.state.process, self.order.stop_signal)
        self._after("kill", self.order.stop_timeout)
        self._after("rest", 0.0)

    def _on_kill(self) -> None:
        """Whoever did not go when asked."""
        for each in self.own():
            send(each, signal.SIGKILL)
        self._after("kill", 0.2)
        self._after("rest", 0.0)

    def _on_rest(self) -> None:
        """Whether everything has ended that was started here."""
        self._reap()
        if not self.state.process and not self.own():
            self._end()
        elif not self.over:
            self._after("rest", 0.05)

    def _on_home(self) -> None:
        """Somebody removed the folder: then nobody can find this service any more, and it must not stay behind."""
        here = os.path.isdir(self.order.folder)  # noqa: PTH112
        self.absences = 0 if here else self.absences + 1
        if self.absences > 1:
            self._stop("its folder was removed")
            return
        self._after("home", STEADY)

    def _end(self) -> None:
        self.state.phase = "ended"
        self.state.stopped = self.stopping == "stopped"
        self.state.process = None
        self.timers = {}
        # Only a job's end must be on disk before its keeper may go.
        if self._save() or not self.order.limit or not os.path.isdir(self.order.folder):  # noqa: PTH112
            self.over = True

    # The service

    def _on_start(self) -> None:
        self.began = time.monotonic()
        self.state.phase = "starting"
        if not self._save() and self.order.limit:
            # A job whose start is not on disk could run twice.
            self.timers.pop("save", None)
            self._after("start", 1.0)
            return
        reading, writing = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(reading, False)
        try:
            self.state.process = start(self.order.command, self.order.surroundings, writing)
        except (CannotStart, OSError) as error:
            os.close(reading)
            self._ended(str(error), None)
            return
        finally:
            os.close(writing)
        self._started(reading)

    def _started(self, reading: int) -> None:
        self._close_output()
        self.output = reading
        self.poller.register(reading, select.POLLIN)
        self.state.phase = "running"
        self.log.note(f"started, PID {self.state.process.pid if self.state.process else 0}")
        self.failures = 0
        if self.order.limit:
            self._after("limit", self.order.limit)
        else:
            self.probe.reset()
            self.eager = FIRST_LOOK
            self._after("probe", min(self.eager, self.order.interval))
            self._after("steady", STEADY)
            if not self.state.failing:
                self.timers.setdefault("late", time.monotonic() + self.order.timeout)
        self._save()

    def _read(self) -> None:
        try:
            data = os.read(self.output, 1 << 16)
        except BlockingIOError:
            return
        if not data:
            self._close_output()
            return
        self._judge(self.probe.lines(self.log.take(data)))

    def _close_output(self) -> None:
        if self.output >= 0:
            self.log.flush()
            self.poller.unregister(self.output)
            os.close(self.output)
            self.output = -1

    def _drain(self) -> None:
        """What it printed last is what a person wants to read; what its children still print is theirs to lose."""
        for _ in range(64):
            try:
                data = os.read(self.output, 1 << 16) if self.output >= 0 else b""
            except BlockingIOError:
                break
            if not data:
                break
            self.log.take(data)
        self._close_output()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if self.state.process and pid == self.state.process.pid:
                self._drain()
                self._ended(ending(status), os.waitstatus_to_exitcode(status))
            else:
                self._judge(self.probe.ended(pid, status))

    def _ended(self, text: str, code: int | None) -> None:
        seconds = time.monotonic() - self.began
        self.log.note(f"{text} after {seconds:.1f}s")
        self.state.process, self.state.ready = None, False
        self.state.last_exit = {"text": text, "code": code, "at": stamp(time.time()), "seconds": round(seconds, 3)}
        if self.stopping:
            self._after("rest", 0.0)
        if self.order.limit:
            self.state.result = {"text": self.stopping or text, "code": code if not self.stopping else None}
        if self.stopping:
            return
        self._watch_probe(self.probe.abandon)
        for timer in ("probe", "steady", "limit", "look"):
            self.timers.pop(timer, None)
        for each in self.own():
            send(each, signal.SIGKILL)
        if self.order.limit or self.order.restart == "never" or (self.order.restart == "onFailure" and code == 0):
            self._end()
        else:
            self._again(text, seconds)

    def _again(self, text: str, seconds: float) -> None:
        self.quick = self.quick + 1 if seconds < STEADY else 0
        self.pause = min(self.pause * 2, LONGEST_PAUSE) if self.quick > 1 else SHORTEST_PAUSE
        self.state.phase = "waiting"
        self.state.restarts += 1
        times = f" ({self.quick} times)" if self.quick > 1 else ""
        self.state.reason = self.probe.obstacle(self.own()) or text + times
        self.state.failing = self.state.failing or self.quick >= QUICK_EXITS
        self._after("start", self.pause)
        self._save()

    def _on_steady(self) -> None:
        self.quick = 0
        if self.state.ready and self.state.failing:
            self.state.failing, self.state.reason = False, ""
            self._save()

    def _on_limit(self) -> None:
        self._stop(f"timed out after {self.order.limit:g}s")

    # Readiness

    def _on_probe(self) -> None:
        self._after("look", PATIENCE)
        self._watch_probe(lambda: self._judge(self.probe.begin(self.own)))

    def _on_look(self) -> None:
        reason: list[str] = []
        self._watch_probe(lambda: reason.append(self.probe.abandon()))
        self._judge(reason[0])

    def _watch_probe(self, step: Any) -> None:
        """Take a step of the probe, and wait for what it then waits for."""
        before = self.probe.descriptor
        if before >= 0:
            self.poller.unregister(before)
        step()
        if self.probe.descriptor >= 0:
            self.poller.register(self.probe.descriptor, select.POLLIN)

    def _judge(self, verdict: str | None) -> None:
        if verdict is None or not self.state.process or self.stopping or self.order.limit:
            return
        self.timers.pop("look", None)
        if verdict == "":
            self._ready()
        elif self.state.ready:
            self._no_longer_ready(verdict)
        else:
            self._not_yet(verdict)

    def _ready(self) -> None:
        self.failures = 0
        self.timers.pop("probe", None)
        self.timers.pop("late", None)
        if self.probe.repeats:
            self._after("probe", max(STILL_READY, self.order.interval))
        if self.state.ready:
            return
        self.state.ready = True
        self.state.failing = self.quick >= QUICK_EXITS
        self.state.reason = self.state.reason if self.state.failing else ""
        self.log.note("ready")
        self._save()
        if self.state.predecessors:
            self._after("handover", 0.0)

    def _not_yet(self, verdict: str) -> None:
        self.eager *= 2
        self._after("probe", min(self.eager, self.order.interval))
        if verdict != self.state.reason and not self.quick and not self.state.failing:
            self.state.reason = verdict
            self._save()

    def _no_longer_ready(self, verdict: str) -> None:
        self.failures += 1
        self._after("probe", self.order.interval)
        if self.failures >= 3:
            self.state.ready, self.state.failing, self.state.reason = False, True, f"no longer ready: {verdict}"
            self.log.note(self.state.reason)
            self._save()

    def _on_late(self) -> None:
        reason = self.state.reason or "it has not been started"
        self.state.failing = True
        self.state.reason = f"not ready after {self.order.timeout:g}s: {reason}"
        self.log.note(self.state.reason)
        self._save()

    # The version before this one

    def _on_handover(self) -> None:
        """Stop what ran before, now that this one is ready."""
        left = [each for each in processes() if token_of(each.pid) in self.state.predecessors]
        keepers = [each for each in left if each.session == each.pid and _is_keeper(each.pid)]
        self.handing += 1
        patient = bool(keepers) and self.handing < LONGEST_HANDOVER
        for each in keepers if patient else left:
            send(each, signal.SIGTERM if patient else signal.SIGKILL)
        if left:
            self._after("handover", 0.5)
            return
        self.state.predecessors = []
        self._save()

    # Records

    def own(self) -> list[Process]:
        """What was started here and still runs."""
        return below(os.getpid(), self.state.token)

    def _save(self) -> bool:
        try:
            self.state.save(durable=bool(self.order.limit))
        except OSError:
            self._after("save", 1.0)
            return False
        self.timers.pop("save", None)
        return True

    def _on_save(self) -> None:
        if self._save() and self.state.phase == "ended":
            self.over = True


def _awake(_number: int, _frame: object) -> None:
    """The wake-up descriptor tells; Python needs a handler for it all the same."""


def _signal_group(leader: Process, number: int) -> None:
    if process(leader.pid):
        try:
            os.killpg(leader.pid, number)
        except (ProcessLookupError, PermissionError):
            send(leader, number)


def _is_keeper(pid: int) -> bool:
    try:
        return b"trueup-keeper" in content(f"/proc/{pid}/cmdline")
    except OSError:
        return False
