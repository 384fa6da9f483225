"""Makes a repository of many applications with a history, quickly, by `git fast-import`."""

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

TARGET = "apiVersion: trueup.dev/v1\nkind: Target\nmetadata: {name: bench}\nspec: {runtime: memory}\n"
SHARED_BY = 50


def name(number: int) -> str:
    """The name of an application."""
    return f"app-{number:05d}"


def folder(number: int) -> str:
    """Its folder: a hundred applications a group."""
    return f"apps/{number // 100:03d}/{name(number)}"


def manifest(number: int, part: int, value: str) -> str:
    """One of its four manifests."""
    return (
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n"
        f"  name: {name(number)}-{part}\n  labels: {{part: p{part}, app: {name(number)}}}\n"
        f'data:\n  value: "{value}"\n  level: info\n  colour: green\n'
    )


def _application(number: int, shared_by: int) -> str:
    shared = number < shared_by
    where = f"\n  path: /shared\n  namespace: {name(number)}" if shared else ""
    return f"apiVersion: trueup.dev/v1\nkind: Application\nmetadata: {{name: {name(number)}}}\nspec:\n  target: bench{where}\n"


def _files(applications: int, shared_by: int) -> Iterator[tuple[str, str]]:
    yield "trueup.yaml", TARGET
    for part in range(4):
        yield f"shared/{part}.yaml", manifest(99999, part, "first")
    for number in range(applications):
        yield f"{folder(number)}/trueup.yaml", _application(number, shared_by)
        if number >= shared_by:
            for part in range(4):
                yield f"{folder(number)}/{part}.yaml", manifest(number, part, "first")


def _touched(number: int, applications: int, shared_by: int) -> tuple[str, str]:
    """What commit ``number`` changes: one application's file, spread evenly over those that share nothing."""
    if applications <= shared_by:
        return "shared/0.yaml", manifest(99999, 0, f"commit {number}")
    application = shared_by + (number * 7919) % (applications - shared_by)
    return f"{folder(application)}/0.yaml", manifest(application, 0, f"commit {number}")


def make(bare: Path, applications: int, commits: int, shared_by: int = SHARED_BY) -> None:
    """A bare repository; the first ``shared_by`` applications share a folder, and each later commit touches one application."""
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(bare)], check=True)
    with subprocess.Popen(["git", "-C", str(bare), "fast-import", "--quiet"], stdin=subprocess.PIPE) as process:
        if process.stdin is None:
            raise SystemExit("git fast-import takes nothing")
        _commit(process.stdin, 0, _files(applications, shared_by))
        for number in range(1, commits):
            _commit(process.stdin, number, [_touched(number, applications, shared_by)])
        process.stdin.close()
        if process.wait():
            raise SystemExit("git fast-import failed")


def _commit(stream: IO[bytes], number: int, files: Iterable[tuple[str, str]]) -> None:
    subject = f"commit {number}".encode()
    stream.write(b"commit refs/heads/main\ncommitter Bench <bench@example.org> %d +0000\n" % (1_700_000_000 + number))
    stream.write(b"data %d\n%s\n" % (len(subject), subject))
    for path, text in files:
        content = text.encode()
        stream.write(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(content), content))
