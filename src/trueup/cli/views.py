"""Lines and documents -> the terminal, or whatever standard output and standard error are. The only place that prints."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from trueup.cli.layout import json_text, visible
from trueup.cli.texts.error import complaint_lines, fault_lines
from trueup.cli.texts.run import present_line, progress_lines, waiting_line
from trueup.model.errors import Fault, TrueupError
from trueup.model.run import Run, RunState, Status

MOST_PRESENT = 10
"""Runs at the foot of the terminal at one time."""


class Views:
    """Data goes to standard output, everything else to standard error. Colour and progress are for terminals only."""

    def __init__(self) -> None:
        self._out = _console(sys.stdout)
        self._err = _console(sys.stderr)

    @property
    def asks(self) -> bool:
        """Whether a question can be asked: somebody reads and answers."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    @property
    def watched(self) -> bool:
        """Whether standard output is a terminal."""
        return sys.stdout.isatty()

    @property
    def width(self) -> int | None:
        """How wide a line may be; None when it goes to a file or another program."""
        return self._out.width if self.watched else None

    def show(self, lines: Sequence[Text]) -> None:
        """Data for people."""
        _write(self._out, lines)

    def show_raw(self, text: str) -> None:
        """Data for other programs, as it is; its author saw to it that nothing in it acts on a terminal."""
        print(text, end="", flush=True)

    def show_document(self, document: Mapping[str, Any]) -> None:
        """One JSON document."""
        print(json_text(document), flush=True)

    def show_log_line(self, line: str) -> None:
        """A line of somebody's log: what would act on a terminal is made visible, tabs are kept."""
        print("\t".join(visible(part) for part in line.split("\t")), flush=True)

    def tell(self, lines: Sequence[Text]) -> None:
        """Something about the work, not data."""
        _write(self._err, lines)

    def tell_raw(self, text: str) -> None:
        """A traceback, for who asked for it."""
        print("\n".join(visible(line) for line in text.splitlines()), file=sys.stderr, flush=True)

    def tell_faults(self, faults: Sequence[Fault]) -> None:
        """What is wrong in files."""
        _write(self._err, fault_lines(faults))

    def tell_complaints(self, complaints: Sequence[TrueupError]) -> None:
        """Several errors."""
        _write(self._err, complaint_lines(complaints))

    def ask(self, question: str) -> bool:
        """Ask on the terminal. No, when the answer is not yes."""
        print(f"{visible(question)} [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    @contextmanager
    def progress(self) -> Iterator["Progress"]:
        """Tell how runs move on: live at the foot of a terminal, in plain lines elsewhere."""
        if not sys.stderr.isatty():
            yield Progress(self._err, None)
            return
        with Live(console=self._err, transient=True, refresh_per_second=8, redirect_stdout=False, redirect_stderr=False) as live:
            yield Progress(self._err, live)

    @contextmanager
    def counting(self, what: str) -> Iterator["Counting"]:
        """Tell how far long work is, on a terminal only."""
        if not sys.stderr.isatty():
            yield Counting(what, None)
            return
        with Live(console=self._err, transient=True, refresh_per_second=8, redirect_stdout=False, redirect_stderr=False) as live:
            yield Counting(what, live)

    @contextmanager
    def screen(self) -> Iterator["Screen"]:
        """A place where what is shown is shown anew, on a terminal; elsewhere each showing follows the one before."""
        if not self.watched:
            yield Screen(self._out, None)
            return
        with Live(console=self._out, auto_refresh=False, redirect_stdout=False, redirect_stderr=False, vertical_overflow="crop") as live:
            yield Screen(self._out, live)


class Progress:
    """Runs as they move on."""

    def __init__(self, console: Console, live: Live | None) -> None:
        self._console = console
        self._live = live
        self._runs: dict[str, Run] = {}

    def move(self, run: Run) -> None:
        """A run begins, moves on or ends."""
        news = progress_lines(self._runs.get(run.id), run)
        self._runs[run.id] = run
        if self._live:
            going = [each for each in self._runs.values() if each.state is RunState.RUNNING]
            self._live.update(Group(*(present_line(each) for each in going[:MOST_PRESENT])))
        _write(self._console, news)

    def wait(self, status: Status) -> None:
        """An application is waited for."""
        _write(self._console, [waiting_line(status)])


class Counting:
    """A number that grows."""

    def __init__(self, what: str, live: Live | None) -> None:
        self._what = what
        self._live = live

    def move(self, number: int) -> None:
        """It is this far."""
        if self._live:
            self._live.update(Text(f"{number} {self._what}", style="dim"))


class Screen:
    """What is shown again and again."""

    def __init__(self, console: Console, live: Live | None) -> None:
        self._console = console
        self._live = live
        self._shown: list[Text] = []

    def show(self, lines: list[Text]) -> None:
        """Show it in place of what was there; elsewhere than on a terminal only when it is not the same."""
        if self._live:
            self._live.update(Group(*lines), refresh=True)
        elif lines != self._shown:
            _write(self._console, [*([Text()] if self._shown else []), *lines])
        self._shown = lines


class _Console(Console):
    """One that leaves it to the program to say that nobody reads any more: the library's own would end it as if something had failed."""

    def on_broken_pipe(self) -> None:
        """Whoever read went away."""
        raise BrokenPipeError


def _console(stream: TextIO) -> Console:
    return _Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)


def _write(console: Console, lines: Sequence[Text]) -> None:
    for line in lines:
        console.print(line, soft_wrap=True)
    console.file.flush()
