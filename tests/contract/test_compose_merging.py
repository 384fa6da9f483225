"""Files over files and services over services, made up by the hundred: the whole means what the real Compose makes of it."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as some

from tests.components import missing
from tests.contract.compose_case import FOLDER, judged, loaded
from tests.testbed.docker.compose import compose
from tests.testbed.golang import Missing

# A failure is not made smaller: each try costs a process, and the difference says which service it is.
MANY = settings(
    max_examples=4,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
SERVICES = 15
FIELDS: dict[str, list[Any]] = {
    "command": ["a b", ["c"], [], None],
    "entrypoint": ["e", ["f", "g"], None],
    "environment": [{"A": "1", "B": None}, ["A=2", "C=3"], {"A": 3, "D": True}, ["B"], {}],
    "labels": [{"a": "1"}, ["a=2", "b"], {"c": None, "d": 1.5}, []],
    "annotations": [{"a": "1"}, ["a=2", "b=3"]],
    "ports": [["80:80"], ["80:80", "81:81/udp"], [{"target": 80, "published": "80"}], ["127.0.0.1:80:80", 90], ["80-81:80-81"], []],
    "expose": [["1", 2], ["2", "3"]],
    "volumes": [["vol:/a"], ["/b:/a:ro"], [{"type": "tmpfs", "target": "/a"}], ["other:/c", "vol:/a:nocopy"], ["/d"], []],
    "devices": [["/dev/a:/dev/b"], ["/dev/c:/dev/b:r", "/dev/d"], [{"source": "/dev/e", "target": "/dev/d"}]],
    "configs": [["one"], [{"source": "two", "target": "/one"}], ["two", {"source": "one", "mode": 292}]],
    "secrets": [["one"], [{"source": "two", "target": "/run/secrets/one"}], ["two"]],
    "dns": ["1.1.1.1", ["1.1.1.1", "2.2.2.2"], []],
    "dns_search": ["a", ["b", "a"]],
    "dns_opt": [["a"], ["b", "a"]],
    "tmpfs": ["/t", ["/t", "/u:size=1m"]],
    "cap_add": [["A"], ["B", "A"]],
    "cap_drop": [["A"], ["B"]],
    "extra_hosts": [["a:1.1.1.1"], {"a": "2.2.2.2", "b": "::1"}, ["a=1.1.1.1", "c=[::2]"]],
    "networks": [["front"], {"front": {"aliases": ["x"]}, "back": None}, {"front": {"aliases": ["y", "x"], "priority": 1}}],
    "depends_on": [["db"], {"db": {"condition": "service_healthy"}}, {"db": {"condition": "service_started", "required": False}}],
    "healthcheck": [{"test": "a", "interval": "1s"}, {"test": ["CMD", "b"], "retries": 2}, {"disable": True}, {"timeout": "90s"}],
    "logging": [{"driver": "x", "options": {"a": "1"}}, {"driver": "y", "options": {"b": 2}}, {"options": {"a": "3"}}],
    "ulimits": [{"nofile": 1}, {"nofile": {"soft": 2, "hard": 3}, "nproc": 4}],
    "sysctls": [{"a": 1}, ["a=2", "b=3"]],
    "deploy": [{"replicas": 2}, {"resources": {"reservations": {"memory": "1g"}}}, {"update_config": {"delay": "1s"}, "replicas": 1}],
    "build": ["./a", {"context": "./b", "args": {"A": "1"}}, {"args": ["A=2", "B=3"], "dockerfile": "D"}, {"target": "t", "tags": ["x"]}],
    "stop_grace_period": ["1s", "1m"],
    "init": [True, False],
    "privileged": [True, False],
    "mem_limit": ["1g", 1024],
    "shm_size": ["1m", "2kb"],
    "restart": ["always", "on-failure:3"],
    "user": ["a", "1:1"],
    "blkio_config": [{"weight": 1}, {"device_read_bps": [{"path": "/a", "rate": "1m"}]}],
    "storage_opt": [{"size": "1g"}, {"size": "2g"}],
    "links": [["db:a"], ["db:a", "db"]],
    "profiles": [[], []],
}
service = some.fixed_dictionaries({}, optional={field: some.sampled_from(values) for field, values in FIELDS.items()})
layer = some.lists(service, min_size=SERVICES, max_size=SERVICES)


@pytest.fixture(autouse=True, scope="module")
def _judge() -> None:
    try:
        compose()
    except Missing as error:
        missing(str(error))


def file(services: dict[str, Any]) -> bytes:
    """A Compose file with everything that the services name."""
    body: dict[str, Any] = {"services": {**services, "db": {"image": "db"}}, "networks": {"front": {}, "back": {}}}
    body |= {"volumes": {"vol": {}, "other": {}}, "configs": {"one": {"content": "1"}, "two": {"content": "2"}}}
    return json.dumps({**body, "secrets": {"one": {"environment": "O"}, "two": {"environment": "T"}}}).encode()


def agree(files: dict[str, bytes], names: list[str]) -> None:
    """Ours and theirs."""
    options = {"files": names}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, FOLDER).mkdir()
        for name, content in files.items():
            Path(folder, FOLDER, name).write_bytes(content)
        theirs = judged(Path(folder), options)
    assert loaded({f"{FOLDER}/{name}": content for name, content in files.items()}, options) == theirs


@MANY
@given(some.tuples(layer, layer, layer))
def test_files_are_merged_as_compose_merges_them(layers: tuple[list[dict[str, Any]], ...]) -> None:
    files = {
        f"{place}.json": file({f"s{number}": {"image": f"i{place}", **one} for number, one in enumerate(services)})
        for place, services in enumerate(layers)
    }
    agree(files, list(files))


@MANY
@given(layer, layer)
def test_services_are_extended_as_compose_extends_them(bases: list[dict[str, Any]], services: list[dict[str, Any]]) -> None:
    base = file({f"b{number}": {"image": "base", **one} for number, one in enumerate(bases)})
    own: dict[str, Any] = {f"b{number}": {"image": "base", **one} for number, one in enumerate(bases)}
    for number, one in enumerate(services):
        own[f"s{number}"] = {**one, "extends": {"service": f"b{number}"}}
        own[f"f{number}"] = {**one, "extends": {"file": "base.json", "service": f"b{number}"}}
    agree({"compose.json": file(own), "base.json": base}, ["compose.json"])
