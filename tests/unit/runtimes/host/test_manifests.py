"""What is wrong in a manifest, as far as it can be told without a target."""

import pytest

from trueup.model.contracts import Objection
from trueup.model.manifest import Body, Key, Manifest, Origin
from trueup.model.secret import Secret
from trueup.runtimes.host.kind import host


def manifest(kind: str, spec: dict[str, object], version: str = "host.trueup.dev/v1") -> Manifest:
    body: Body = {"apiVersion": version, "kind": kind, "metadata": {"name": "web"}, "spec": spec}
    return Manifest(Key.of(body), body, Origin("web.yaml", 1))


def objections(kind: str, **spec: object) -> list[Objection]:
    return host.check(manifest(kind, spec))


def service(**spec: object) -> list[Objection]:
    return objections("Service", **{"command": ["run"], **spec})


def test_what_the_product_shows_is_right() -> None:
    readiness = {"http": "http://127.0.0.1:8099/", "interval": "500ms", "timeout": "30s"}
    assert objections("Directory", source="site", path="site", keep=["uploads/**"]) == []
    assert objections("File", path="settings.ini", content="mode = demo\n", mode="0640") == []
    assert objections("File", path="/etc/motd", source="motd", secret=True) == []
    assert objections("Job", command=["./migrate.sh"], timeout="5m") == []
    assert (
        service(
            workingDirectory=".",
            environment={"MODE": "demo", "PASSWORD": {"secret": "password"}},
            uses=["Directory/site", {"object": "File/settings", "onChange": "reload", "signal": "SIGHUP"}],
            readiness=readiness,
            update="stopFirst",
            stop={"signal": "SIGTERM", "timeout": "10s"},
            log={"size": "1MiB", "keep": 3},
        )
        == []
    )


def test_a_mistyped_key_is_named_with_its_path_and_the_one_that_was_meant() -> None:
    assert service(readines={}) == [Objection(("spec", "readines"), "`readines` is not known here", "did you mean `readiness`?")]
    assert service(readiness={"intervall": "1s"})[0].hint == "did you mean `interval`?"
    assert service(stop={"signl": "TERM"})[0].path == ("spec", "stop", "signl")
    assert service(uses=[{"objekt": "File/a"}])[-1].hint == "did you mean `object`?"
    assert service(environment={"A": {"secrt": "x"}})[-1] == Objection(
        ("spec", "environment", "A", "secrt"), "`secrt` is not known here", "did you mean `secret`?"
    )


def test_a_key_that_is_like_none_gets_the_list_of_all() -> None:
    assert objections("File", path="a", content="b", zzz=1)[0].hint == "known are content, mode, path, secret, source"


def test_unknown_kinds_and_versions_are_named_with_the_known_ones() -> None:
    kind = host.check(manifest("Servcie", {}))[0]
    assert kind.path == ("kind",)
    assert kind.hint == "the kinds are Directory, File, Service, Job; did you mean `Service`?"
    version = host.check(manifest("Service", {}, "apps/v1"))[0]
    assert (version.path, version.hint) == (("apiVersion",), "write `apiVersion: host.trueup.dev/v1`")


@pytest.mark.parametrize("path", ["../x", "a/../../x", "", ".", "a/"])
def test_a_path_stays_in_the_folder_of_the_application(path: str) -> None:
    assert [each.path for each in objections("File", path=path, content="x")] == [("spec", "path")]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"path": "a"}, "either `content` or `source`"),
        ({"path": "a", "content": "x", "source": "y"}, "either `content` or `source`"),
        ({"path": "a", "content": "x", "mode": 420}, "write the mode as text"),
        ({"path": "a", "content": 3}, "in quotes when it looks like a number"),
    ],
)
def test_a_file_has_one_content_and_a_mode_in_quotes(spec: dict[str, object], message: str) -> None:
    assert [message in each.message for each in objections("File", **spec)] == [True]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"update": "startFirst"}, "startFirst needs readiness"),
        ({"update": "startFirst", "readiness": {"http": "http://127.0.0.1:80/"}}, "startFirst needs readiness"),
        ({"readiness": {"http": "http://127.0.0.1:$PORT/"}}, "needs `port: auto`"),
        ({"readiness": {"http": "https://127.0.0.1/"}}, "takes an http URL"),
        ({"readiness": {"tcp": "127.0.0.1"}}, "takes a port or an address"),
        ({"readiness": {"tcp": 99999}}, "takes a port or an address"),
        ({"readiness": {"tcp": 80, "logLine": "x"}}, "has one of"),
        ({"readiness": {"logLine": "("}}, "not a regular expression"),
        ({"readiness": {"timeout": "soon"}}, "write a duration"),
        ({"stop": {"signal": "SIGNOPE"}}, "is not a signal"),
        ({"uses": ["settings"]}, "write Kind/name"),
        ({"environment": {"A": 3}}, "in quotes"),
        ({"environment": {"A B": "x"}}, "must match"),
        ({"command": []}, "`command` must not be empty"),
        ({"log": {"size": "lots"}}, "`size` must be a whole number"),
    ],
)
def test_a_service_is_told_what_does_not_fit(spec: dict[str, object], message: str) -> None:
    found = service(**spec)
    assert len(found) == 1, found
    assert message in found[0].message


def test_what_can_start_first_may() -> None:
    for readiness in ({"command": ["true"]}, {"logLine": "ready"}):
        assert service(update="startFirst", readiness=readiness) == []
    assert service(update="startFirst", port="auto", readiness={"http": "http://localhost:${PORT}/"}) == []


def test_the_sources_of_files_and_directories_are_references() -> None:
    assert host.references(manifest("Directory", {"source": "/site", "path": "site"})) == ["/site"]
    assert host.references(manifest("File", {"source": "motd", "path": "motd"})) == ["motd"]
    assert host.references(manifest("File", {"content": "x", "path": "motd"})) == []
    assert host.references(manifest("Service", {"command": ["x"], "source": "y"})) == []
    assert host.references(manifest("File", {"source": 3})) == []


def test_a_secret_may_stand_where_text_does_and_is_never_told() -> None:
    secret = Secret("hunter2", "a")
    assert objections("File", path="a", content=secret) == []
    assert service(environment={"A": secret}) == []
    found = objections("File", path=secret, content=secret, mode="9")
    assert len(found) == 2
    assert "hunter2" not in repr(found)
