"""Histories by chance, written straight into a remote, of which it is known at every commit what each field says.

Nothing is rendered to know it: the files are written from what the fields are to say, so an answer about them is judged by another mind.
"""

import random
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.end_to_end.estate import application, documents, target, thing

FILES = ("web/a.yaml", "web/b.yaml", "web/c.yaml")
NAMES = ("one", "two", "three", "four")
STEPS = ("value", "value", "value", "field", "move", "style", "style", "take", "beside", "more")


@dataclass
class State:
    """What one commit says. ``where``: object -> file, for those that are there; ``style`` is how a file is written, without meaning."""

    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    style: dict[str, int] = field(default_factory=dict)
    content: str = "0"
    namespace: str = ""
    broken: str = ""
    beside: int = 0

    def copy(self) -> "State":
        return State(
            {name: dict(each) for name, each in self.values.items()},
            dict(self.where), dict(self.style), self.content, self.namespace, self.broken, self.beside,
        )  # fmt: skip

    def says(self, name: str, what: str) -> object:
        """What it says of an object (``""``) or of a field of its specification; None when it says nothing of it."""
        if name not in self.where:
            return None
        if what == "metadata.namespace":
            return self.namespace or None
        if what:
            return self.values[name].get(what.removeprefix("spec."))
        return [sorted(self.values[name].items()), self.namespace, self.content if name == "one" else ""]

    def files(self) -> dict[str, str]:
        """As a commit has it."""
        declared = application(namespace=self.namespace) if self.namespace else application()
        files = {"trueup.yaml": documents(target(), declared), "README": str(self.beside), "web/site/page": self.content}
        for file in FILES:
            names = [name for name in NAMES if self.where.get(name) == file]
            if names:
                files[file] = self._written(file, names)
        if self.broken == "syntax":
            files["web/d.yaml"] = "a: [\n"
        elif self.broken == "meaning":
            files["web/d.yaml"] = documents(thing("bad", health="splendid"))
        elif self.broken == "declaration":
            files["trueup.yaml"] = documents(target()) + "---\nkind: Nonsense\n"
        return files

    def _written(self, file: str, names: list[str]) -> str:
        style = self.style.get(file, 0)
        ordered = names[::-1] if style % 2 else names
        parts = []
        for name in ordered:
            taken: dict[str, Any] = {"source": "site"} if name == "one" else {}
            body = thing(name, **taken, **self.values[name])
            text = yaml.safe_dump(body, sort_keys=style % 3 == 1)
            parts.append(f"# {style}\n" * (style % 5) + text.replace("\n", f"  # {style}\n") if style % 4 == 3 else text)
        return "---\n".join(parts)


class Chance:
    """Takes one step after the other."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.state = State({name: {"size": 0, "color": "red"} for name in NAMES}, dict.fromkeys(NAMES, FILES[0]))

    def step(self) -> State:
        for _ in range(self.random.choice((1, 1, 1, 2))):
            self.state = self.state.copy()
            # A commit that breaks something is mended by the next one, or stays broken for a while.
            if self.state.broken and self.random.random() < 0.6:
                self.state.broken = ""
            name, file = self.random.choice(NAMES), self.random.choice(FILES)
            self._do(self.random.choice(STEPS), name, file)
        return self.state

    def _do(self, what: str, name: str, file: str) -> None:
        state, here = self.state, name in self.state.where
        if what == "value":
            state.values[name][self.random.choice(("size", "color"))] = self.random.randrange(3)
        elif what == "field" and state.values[name].pop("extra", None) is None:
            state.values[name]["extra"] = {"deep": self.random.randrange(2)}
        elif what == "move" or (what == "take" and not here):
            state.where[name] = file
        elif what == "style":
            state.style[file] = self.random.randrange(60)
        elif what == "take" and len(state.where) > 1:
            del state.where[name]
        elif what == "beside":
            state.beside += 1
        elif what == "more":
            self._more()

    def _more(self) -> None:
        what = self.random.randrange(4)
        if what == 0:
            self.state.content = str(self.random.randrange(3))
        elif what == 1:
            self.state.namespace = self.random.choice(("", "left", "right"))
        elif what == 2:
            self.state.broken = self.random.choice(("syntax", "meaning", "declaration"))
        else:
            self.state.beside += 1


@dataclass(frozen=True)
class History:
    """The first-parent line, oldest first: each commit with what it says."""

    line: list[tuple[str, State]]

    def expected(self, name: str, what: str) -> str:
        """The commit since which it says what it says now, without a break; what is broken says nothing new. Empty: it says nothing.

        An object in another namespace is another object."""
        here = self.now.namespace
        well = [(commit, state.says(name, what) if state.namespace == here else None) for commit, state in self.line if not state.broken]
        now = well[-1][1]
        if now is None:
            return ""
        answer = ""
        for commit, said in reversed(well):
            if said != now:
                break
            answer = commit
        return answer

    def questions(self) -> list[tuple[str, str]]:
        """Every object and field that it says something of now."""
        now = self.now
        fields = [(name, ["", "metadata.namespace", *(f"spec.{each}" for each in now.values[name])]) for name in now.where]
        return [(name, what) for name, each in fields for what in each if now.says(name, what) is not None]

    def place(self, commit: str) -> int:
        return [each for each, _ in self.line].index(commit)

    @property
    def now(self) -> State:
        """What the newest commit says that is not broken."""
        return [state for _, state in self.line if not state.broken][-1]


def write_history(origin: Path, seed: int, commits: int) -> History:
    """Import it into a bare repository. Now and then a commit is a merge, whose side says something else."""
    chance = Chance(seed)
    states = [chance.state, *(chance.step() for _ in range(commits - 1))]
    states[-1].broken = ""
    stream: list[bytes] = []
    marks: list[int] = []
    mark = 0
    for state in states:
        parents = [f"from :{marks[-1]}"] if marks else []
        if marks and chance.random.random() < 0.2:
            mark += 1
            stream.append(_commit(mark, "side", Chance(mark).step(), [f"from :{chance.random.choice(marks)}"], "refs/heads/side"))
            parents.append(f"merge :{mark}")
        mark += 1
        marks.append(mark)
        stream.append(_commit(mark, f"commit {mark}", state, parents, "refs/heads/main"))
    marks_file = origin / "marks"
    command = ["git", "fast-import", "--quiet", "--force", f"--export-marks={marks_file}"]
    subprocess.run(command, cwd=origin, input=b"".join(stream), check=True)
    ids = dict(line.split() for line in marks_file.read_text().splitlines())
    return History([(ids[f":{mark}"], state) for mark, state in zip(marks, states, strict=True)])


def _commit(mark: int, subject: str, state: State, parents: list[str], branch: str) -> bytes:
    lines = [f"reset {branch}\n" if branch.endswith("side") else "", f"commit {branch}\nmark :{mark}\n"]
    lines += [f"committer Chance <chance@example.org> {1_700_000_000 + mark} +0000\ndata {len(subject)}\n{subject}\n"]
    lines += [f"{parent}\n" for parent in parents] + ["deleteall\n"]
    for path, content in state.files().items():
        lines.append(f"M 100644 inline {path}\ndata {len(content.encode())}\n{content}\n")
    return "".join(lines).encode()
