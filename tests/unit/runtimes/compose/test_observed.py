"""What an engine shows, read: whose it is, how it does, what it says."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from trueup.model.application import Policy
from trueup.model.contracts import Owner
from trueup.model.health import State
from trueup.model.manifest import Body, Key, Origin
from trueup.model.wire import decode, encode
from trueup.runtimes.compose.container import Container
from trueup.runtimes.compose.health import health_of
from trueup.runtimes.compose.holding import held_in, holdings
from trueup.runtimes.compose.labels import Marks, marks_in
from trueup.runtimes.compose.likeness import unlike
from trueup.runtimes.compose.logs import unframed
from trueup.runtimes.compose.record import Entry, Record, Standing

SHOP, TILL = Owner("https://git.example.org/estate#main", "shop"), Owner("https://git.example.org/estate#main", "till")
WEB = Key("Service", "web", "", "p")
MARKS = Marks(owner=SHOP, revision="1" * 40, digest="d", origin=Origin("shop/compose.yaml", 3, "1" * 40), wave=-1, spec={"image": "web:1"})
OF_WEB = {"com.docker.compose.project": "p", "com.docker.compose.service": "web", "com.docker.compose.image": "web:1"}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def container(state: Body, host: Body | None = None, **config: Any) -> Container:
    body = {"Id": "a" * 64, "Name": "/p-web-1", "Image": "sha256:1", "Config": config, "State": state, "HostConfig": host or {}}
    return Container(body, MARKS)


def test_labels_say_what_was_written() -> None:
    assert marks_in(MARKS.labels) == MARKS
    assert marks_in({"dev.trueup.owner": "nonsense", "dev.trueup.spec": "{"}) == Marks()


def test_the_record_counts_where_labels_cannot_say_it() -> None:
    labelled = [("a", {**OF_WEB, **MARKS.labels}), ("b", {**OF_WEB, **MARKS.labels}), ("c", OF_WEB)]
    assert {key: (each.marks.owner, each.ids) for key, each in holdings(labelled, {}).items()} == {WEB: (SHOP, ("a", "b"))}
    handed = Record(entries=(Entry(WEB, ("a", "b"), Marks(owner=TILL)),))
    assert {key: each.marks.owner for key, each in holdings(labelled, {"p": handed}).items()} == {WEB: TILL}
    let_go = Record(entries=(Entry(WEB, ("a", "b"), Marks()),))
    assert holdings(labelled, {"p": let_go}) == {}
    assert holdings(labelled, {"p": let_go.still(["c"], ())}).keys() == {WEB}
    held = held_in(labelled, {})
    assert (held.of("a"), held.of("c"), held.of_image("web:1"), held.of_image("web:2")) == ((WEB, SHOP), None, {WEB: SHOP}, {})
    by_compose = {**OF_WEB, "com.docker.compose.image": "sha256:1"}
    adopted = held_in([("a", by_compose)], {"p": Record(entries=(Entry(WEB, ("a",), MARKS),))})
    assert (adopted.of("a"), adopted.of_image("web:1")) == ((WEB, SHOP), {WEB: SHOP})


def test_a_record_is_read_as_it_was_written() -> None:
    record = Record().standing_so(Standing(SHOP, "1" * 40, Policy(prune=False), (WEB,))).having(Entry(WEB, ("a",), MARKS))
    assert decode(encode(record), Record) == record
    assert record.without(SHOP).lacking(WEB) == Record()


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"Status": "running", "StartedAt": (NOW - timedelta(seconds=5)).isoformat()}, State.HEALTHY),
        ({"Status": "running", "StartedAt": NOW.isoformat()}, State.PROGRESSING),
        ({"Status": "running", "Health": {"Status": "starting"}}, State.PROGRESSING),
        ({"Status": "running", "Health": {"Status": "unhealthy", "Log": [{"Output": "no\n", "ExitCode": 1}]}}, State.DEGRADED),
        ({"Status": "restarting", "ExitCode": 3}, State.DEGRADED),
        ({"Status": "exited", "ExitCode": 0}, State.HEALTHY),
        ({"Status": "exited", "ExitCode": 3}, State.DEGRADED),
        ({"Status": "paused"}, State.SUSPENDED),
    ],
)
def test_a_container_does_as_its_state_says(state: Body, told: State) -> None:
    assert health_of(container(state), NOW).state is told


@pytest.mark.parametrize(
    ("state", "host", "stopped"),
    [
        ({"Status": "exited", "ExitCode": 0}, {}, False),
        ({"Status": "exited", "ExitCode": 0}, {"RestartPolicy": {"Name": "always"}}, True),
        ({"Status": "exited", "ExitCode": 0}, {"PortBindings": {"80/tcp": []}}, True),
        ({"Status": "exited", "ExitCode": 143}, {}, True),
        ({"Status": "exited", "ExitCode": 3}, {"RestartPolicy": {"Name": "always"}}, False),
        ({"Status": "created"}, {}, True),
        ({"Status": "running"}, {}, False),
    ],
)
def test_what_somebody_stopped_is_told_from_what_ended(state: Body, host: Body, stopped: bool) -> None:
    assert container(state, host).was_stopped is stopped


async def test_the_frames_of_a_log_may_come_in_any_pieces() -> None:
    data = b"".join(
        bytes([stream, 0, 0, 0]) + len(text).to_bytes(4, "big") + text for stream, text in ((1, b"out\n"), (2, b"err\n"), (1, b""))
    )

    async def pieces(size: int) -> AsyncIterator[bytes]:
        for start in range(0, len(data), size):
            yield data[start : start + size]

    for size in (1, 3, 1000):
        assert b"".join([piece async for piece in unframed(pieces(size))]) == b"out\nerr\n"


def test_what_image_and_engine_give_by_themselves_is_no_difference() -> None:
    image = {"Env": ["PATH=/bin"], "Cmd": ["run"], "Labels": {"of": "image"}, "StopSignal": "SIGQUIT"}
    wanted = {"Env": ["A=1"], "Labels": {"team": "shop"}, "HostConfig": {"NetworkMode": "p_default", "RestartPolicy": {"Name": "always"}}}
    config = {"Env": ["PATH=/bin", "A=1"], "Cmd": ["run"], "Hostname": "a" * 12, "StopSignal": "SIGQUIT"}
    labels = {"of": "image", "team": "shop", "com.docker.compose.project": "p"}
    host = {"RestartPolicy": {"Name": "always"}, "IpcMode": "private", "ShmSize": 64 << 20, "Runtime": "runc", "NetworkMode": "p_default"}
    there = container({"Status": "running"}, host, Labels=labels, **config)
    there.body["NetworkSettings"] = {"Networks": {"p_default": {}}}
    assert list(unlike(there, wanted, image, ["p_default"])) == []
    there.body["HostConfig"] |= {"Memory": 1 << 20, "PortBindings": {"80/tcp": [{"HostPort": "8080"}]}}
    there.body["Mounts"] = [{"Type": "bind", "Source": "/srv", "Destination": "/srv", "RW": True}]
    assert [change.path for change in unlike(there, {**wanted, "Env": ["A=2"]}, image, ["p_default", "p_back"])] == [
        "spec.environment.A",
        "spec.mem_limit",
        "spec.ports",
        "spec.networks",
        "spec.volumes[target=/srv]",
    ]
