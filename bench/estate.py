"""Makes a repository of many applications with a history, quickly, by `git fast-import`."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

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
        f"data:\n  value: \"{value}\"\n  level: info\n  colour: green\n"
    )


def _application(number: int) -> str:
    shared = number < SHARED_BY
    where = f"\n  path: /shared\n  namespace: {name(number)}" if shared else ""
    return f"apiVersion: trueup.dev/v1\nkind: Application\nmetadata: {{name: {name(number)}}}\nspec:\n  target: bench{where}\n"


def _files(applications: int) -> Iterator[tuple[str, str]]:
    yield "trueup.yaml", TARGET
    for part in range(4):
        yield f"shared/{part}.yaml", manifest(99999, part, "first")
    for number in range(applications):
        yield f"{folder(number)}/trueup.yaml", _application(number)
        if number >= SHARED_BY:
            for part in range(4):
                yield f"{folder(number)}/{part}.yaml", manifest(number, part, "first")


def make(bare: Path, applications: int, commits: int) -> None:
    """A bare repository; after the first commit each touches one application, evenly spread."""
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(bare)], check=True)
    process = subprocess.Popen(["git", "-C", str(bare), "fast-import", "--quiet"], stdin=subprocess.PIPE)
    stream = process.stdin
    assert stream is not None

    def commit(number: int, files: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> None:
        subject = f"commit {number}".encode()
        stream.write(b"commit refs/heads/main\ncommitter Bench <bench@example.org> %d +0000\n" % (1_700_000_000 + number))
        stream.write(b"data %d\n%s\n" % (len(subject), subject))
        for path, text in files:
            content = text.encode()
            stream.write(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(content), content))

    commit(0, _files(applications))
    for number in range(1, commits):
        touched = SHARED_BY + (number * 7919) % max(applications - SHARED_BY, 1) if applications > SHARED_BY else number % applications
        if touched >= SHARED_BY:
            commit(number, [(f"{folder(touched)}/0.yaml", manifest(touched, 0, f"commit {number}"))])
        else:
            commit(number, [("shared/0.yaml", manifest(99999, 0, f"commit {number}"))])
    stream.close()
    if process.wait():
        raise SystemExit("git fast-import failed")
