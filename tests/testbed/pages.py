"""The commands in a page, run one after the other in one shell, and what they printed beside what the page says they print."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from scripts.playground import EXAMPLE_PORT, ROOT, free_port

CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
MARK = "@@ command "
MAKES_FILES = re.compile(r"^(trueup init|cp) ")
GOES_ON = re.compile(r"^trueup serve\b|--watch\b|logs .*-f\b")


@dataclass(slots=True)
class Command:
    """One line that a reader types, the exit code that the page promises, and the lines that it shows below."""

    line: str
    code: int
    shown: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command."""

    code: int
    output: str


def commands_of(page: Path) -> list[Command]:
    """Every command of a page, in order. ``# exits with N`` behind a command promises another exit code than 0."""
    found: list[Command] = []
    for block in CONSOLE.findall(page.read_text(encoding="utf-8")):
        for line in block.splitlines():
            if line.startswith("$ "):
                promised = re.search(r"#.*\bexits with (\d+)", line)
                found.append(Command(line[2:], int(promised[1]) if promised else 0))
            elif found and line.strip():
                found[-1].shown.append(line)
    return found


def run(
    commands: list[Command], folder: Path, environment: dict[str, str] | None = None, port: int = 0, patience: float = 800
) -> list[Outcome]:
    """Run them as a person does, in one shell that stands in a folder; what goes on is left behind, and stopped at the end.

    A free port takes the place of the one that the pages write.
    """
    chosen = str(port or free_port())
    script = "".join(_lines(number, command, chosen) for number, command in enumerate(commands))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    settings = {"PATH": path, "LOGNAME": "you", "TRUEUP_LISTEN": f"127.0.0.1:{free_port()}", "TRUEUP_POLL": "1s"}
    # In a file: a page may look for processes by the words of their commands.
    file = folder.parent / f"{folder.name}.sh"
    file.write_text(f"{script}\nkill $(jobs -p) 2>/dev/null; wait\n", encoding="utf-8")
    done = subprocess.run(
        ["bash", str(file)],
        cwd=folder,
        env={**os.environ, **settings, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=patience,
        check=False,
    )
    return [_outcome(part.replace(chosen, EXAMPLE_PORT)) for part in done.stdout.split(MARK)[1:]]


def _lines(number: int, command: Command, port: str) -> str:
    title, line = f"echo; echo '{MARK}{number}'\n", command.line.replace(EXAMPLE_PORT, port)
    if GOES_ON.search(line):
        return f"{title}{line} >/dev/null 2>&1 &\necho; echo '@@ code 0'\n"
    if command.line.startswith("sleep "):
        # A busy machine may need longer than a reader's: it is asked again until it says what the page says.
        shown = shlex.quote("\n".join(command.shown))
        said = f"{shlex.quote(sys.executable)} -m tests.testbed.pages {shown}"
        line = f'for _ in 1 2 3 4 5 6 7 8; do said=$({line} 2>&1); code=$?; echo "$said"; [ $code = 0 ] || continue; '
        line += f'(cd {shlex.quote(str(ROOT))} && echo "$said" | {said}) && break; done; (exit $code)'
    files = (
        f"grep -rlI {EXAMPLE_PORT} --exclude-dir=.git . | xargs -r sed -i s/{EXAMPLE_PORT}/{port}/\n" if MAKES_FILES.search(line) else ""
    )
    return f'{title}{line}\ncode=$?; echo; echo "@@ code $code"\n{files}'


def _outcome(part: str) -> Outcome:
    output, _, code = part.partition("\n")[2].rpartition("@@ code ")
    return Outcome(int(code.split()[0]), output.strip("\n"))


def missing(command: Command, outcome: Outcome) -> list[str]:
    """The lines that the page shows and the command did not print, numbers, hashes and times left out of account; ``..`` is the rest."""
    printed = {alike(line) for line in outcome.output.splitlines()}
    return [line for line in command.shown if not _is_among(alike(line), printed)]


def _is_among(line: str, printed: set[str]) -> bool:
    if line.endswith(".."):
        return line == ".." or any(each.startswith(line.removesuffix("..").rstrip()) for each in printed)
    return line in printed


def alike(line: str) -> str:
    """A line without what differs from run to run: hashes, digests, times, seconds, process ids, and how wide a column is."""
    without = re.sub(r"\b[0-9a-f]{7,}\b", "HASH", line)
    without = re.sub(r"\d{4}-\d\d-\d\d[ T][\d:.]+Z?|\d+(\.\d+)?s?\b", "N", without)
    return re.sub(r"\s+", " ", without).strip()


if __name__ == "__main__":
    sys.exit(bool(missing(Command("", 0, sys.argv[1].splitlines()), Outcome(0, sys.stdin.read()))))
