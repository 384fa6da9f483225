"""Short forms and variables, made up by the hundred: each means what the real Compose makes of it, and is refused where that refuses it."""

import json
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as some

from tests.components import missing
from tests.contract.compose_case import FOLDER, judged, loaded
from tests.testbed.docker.compose import compose
from tests.testbed.golang import Missing
from trueup.model.errors import DeclarationError
from trueup.renderers.compose.durations import duration, nanoseconds
from trueup.renderers.compose.interpolation import Unset, Unsubstituted, substitute
from trueup.renderers.compose.located import Place
from trueup.renderers.compose.mounts import parse_mount
from trueup.renderers.compose.ports import parse_ports
from trueup.renderers.compose.words import words_of

# A failure is not made smaller: each try costs processes, and a batch says which of its entries differ.
MANY = settings(
    max_examples=5,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
REFUSED = 4
"""Of what we refuse, so many of a batch are put before Compose: each costs a process."""
VARIABLES = {"A": "one", "B": "", "C_1": "x:y", "a": "$A"}


@pytest.fixture(autouse=True, scope="module")
def _judge() -> None:
    try:
        compose()
    except Missing as error:
        missing(str(error))


def services(entries: Iterable[tuple[str, Any]]) -> dict[str, bytes]:
    """A project with a service for each entry, which sets one field."""
    body = {f"s{number}": {"image": "a", field: value} for number, (field, value) in enumerate(entries)}
    return {f"{FOLDER}/compose.yaml": json.dumps({"services": body, "volumes": {"vol": {}, "other": {}}}).encode()}


def means(files: Mapping[str, bytes], options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What Compose makes of a project."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).parent.mkdir(exist_ok=True)
            Path(folder, name).write_bytes(content)
        return judged(Path(folder), options or {})


def agree(field: str, values: list[Any], refused: list[Any]) -> None:
    """Ours and theirs, of what we take in one project, and of what we refuse one by one."""
    files = services((field, value) for value in values)
    assert loaded(files, {}) == means(files)
    for value in refused[:REFUSED]:
        with pytest.raises(subprocess.CalledProcessError):
            means(services([(field, value)]))


number = some.integers(0, 70000).map(str) | some.integers(1, 999).map(str)
span = number | some.tuples(some.integers(1, 40), some.integers(0, 4)).map(lambda pair: f"{pair[0]}-{sum(pair)}")
address = some.sampled_from(["", "127.0.0.1:", "[::1]:", "::1:", "0.0.0.0:", "1.2.3:", "localhost:", "256.1.1.1:"])
protocol = some.sampled_from(["", "/tcp", "/udp", "/SCTP", "/http", "/"])
port = some.one_of(
    some.tuples(span, protocol).map("".join),
    some.tuples(span, some.just(":"), span, protocol).map("".join),
    some.tuples(address, span | some.just(""), some.just(":"), span, protocol).map("".join),
    some.text("0123456789-:/tcp[].", max_size=12),
)


@MANY
@given(some.lists(port, min_size=40, max_size=60, unique=True))
def test_ports_mean_what_compose_says(ports: list[str]) -> None:
    taken = [each for each in ports if _is_taken(lambda text: parse_ports(text, Place("")), each)]
    agree("ports", [[each] for each in taken], [[each] for each in ports if each not in taken])


source = some.sampled_from(["vol:", "other:", "./x:", "../y:", "/abs:", "/a b:", ".:", "", "/with//two/:", "x/../vol:"])
target = some.sampled_from(["/t", "/t/", "//t", "/a/../b", "relative", "/x y", "/", "t.", "/a/./b", ""])
mode = some.sampled_from(["", ":ro", ":rw", ":ro,z", ":Z", ":nocopy", ":rshared", ":ro,slave", ":cached", ":ro:rw", ":rw,ro"])


@MANY
@given(some.lists(some.tuples(source, target, mode).map("".join), min_size=40, max_size=60, unique=True))
def test_mounts_mean_what_compose_says(mounts: list[str]) -> None:
    taken = [each for each in mounts if _is_taken(_declared_mount, each)]
    agree("volumes", [[each] for each in taken], [])


piece = some.sampled_from(["$", "$$", "${", "}", "A", "B", "C_1", "a", ":-", "-", ":?", "?", ":+", "+", "x", " ", "{", "1", ":", "é", "\n"])
template = some.one_of(
    some.lists(piece, min_size=1, max_size=9).map("".join),
    some.recursive(
        some.sampled_from(["A", "B", "x y", "", "$$"]),
        lambda inner: some.tuples(
            some.sampled_from(["A", "B", "C_1", "N"]), some.sampled_from([":-", "-", ":+", "+", ":?"]), inner, inner
        ).map(lambda parts: f"${{{parts[0]}{parts[1]}{parts[2]}}}{parts[3]}"),
        max_leaves=5,
    ),
)


@MANY
@given(some.lists(template, min_size=60, max_size=90, unique=True))
def test_variables_mean_what_compose_says(templates: list[str]) -> None:
    done: dict[str, str] = {}
    refused = []
    for text in templates:
        try:
            done[text] = substitute(text, VARIABLES.get)
        except Unset:
            continue  # Compose takes nothing for it, and warns.
        except Unsubstituted:
            refused.append(text)
    labels = {f"l{place}": text for place, text in enumerate(done)}
    judgement = means(services([("labels", labels)]), {"variables": VARIABLES})
    # What Compose prints has every dollar sign twice, which is one again by now; so a pair in a value counts once there.
    assert judgement["services"]["s0"]["labels"] == {
        f"l{place}": value.replace("$", "$$").replace("$$", "$") for place, value in enumerate(done.values())
    }
    for text in refused[:REFUSED]:
        with pytest.raises(subprocess.CalledProcessError):
            means(services([("labels", {"l": text})]), {"variables": VARIABLES})


word = some.text("ab \\'\"$\t.=", max_size=10) | some.sampled_from(["a\\ b", "'a' 'b'", '"a \\" b"', "a''b", '""'])


@MANY
@given(some.lists(word.map(lambda text: text.replace("$", "$$")), min_size=40, max_size=60, unique=True))
def test_commands_mean_what_compose_says(commands: list[str]) -> None:
    taken = [each for each in commands if _is_taken(lambda text: words_of(text.replace("$$", "$")), each)]
    agree("command", taken, [each for each in commands if each not in taken])


@MANY
@given(some.lists(some.integers(0, 10**15), min_size=40, max_size=60, unique=True))
def test_durations_are_written_as_compose_writes_them(amounts: list[int]) -> None:
    assert [nanoseconds(duration(amount)) for amount in amounts] == amounts
    files = services(("stop_grace_period", f"{amount}ns") for amount in amounts)
    assert loaded(files, {}) == means(files)


value = some.text("ab $'\"\\#=\t\n01nt{}", max_size=12)


@MANY
@given(some.lists(value, min_size=20, max_size=30))
def test_env_files_mean_what_compose_says(values: list[str]) -> None:
    files = {}
    taken = []
    for place, text in enumerate(values):
        content = f"FIRST=1\nNAME={text}\nLAST=2\n".encode()
        alone = {f"{FOLDER}/compose.yaml": b"services: {s0: {image: a, env_file: e.env}}", f"{FOLDER}/e.env": content}
        if _is_taken(lambda project: loaded(project, {}), alone):
            files[f"{FOLDER}/{place}.env"] = content
            taken.append(f"{place}.env")
    files |= services(("env_file", [name]) for name in taken)
    assert loaded(files, {}) == means(files)


def _declared_mount(text: str) -> None:
    mount = parse_mount(text, Place(""))
    assert mount["type"] == "bind" or mount.get("source", "vol") in ("vol", "other")


def _is_taken(read: Any, value: Any) -> bool:
    try:
        read(value)
    except (DeclarationError, ValueError, AssertionError):
        return False
    return True
