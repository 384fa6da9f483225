"""What Git says, stepped from head to head."""

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.store.samples import ESTATE, REPOSITORY, WEB, declared, files, followed, standing, step, target
from trueup.model.errors import Fault
from trueup.model.manifest import Key
from trueup.model.memory import Address, Advance, Followed, Input, Memory, Outline
from trueup.model.plan import Hold
from trueup.model.run import Trigger
from trueup.model.source import Repository
from trueup.store import open_memory
from trueup.store.catalog import RENDER_SECONDS

FAULT = Fault("web/trueup.yaml", 4, 2, "unknown key `polcy`", "write `policy`")


def test_a_followed_repository_is_as_it_was_written(memory: Memory) -> None:
    full = Followed(
        repository=REPOSITORY,
        commit="c1",
        head="c2",
        reference="refs/tags/v1",
        faults=(FAULT,),
        hold=Hold("rewound", "x"),
        error="e",
        fetched_at=1.5,
    )
    other = Followed(repository=Repository("https://git.example.org/other.git"))
    memory.follow(full)
    memory.follow(other)
    assert memory.followed(ESTATE) == full
    assert memory.repositories() == [full, other]
    assert memory.followed("never seen") is None


def test_a_repository_that_is_only_named_is_not_followed(memory: Memory) -> None:
    memory.wake([Address(ESTATE)], Trigger.POLL)
    assert memory.followed(ESTATE) is None
    assert memory.repositories() == []


def test_an_application_is_as_it_was_declared(memory: Memory) -> None:
    spec: dict[str, Any] = {
        "dependsOn": ["db"],
        "render": {"with": "plain", "recurse": True},
        "policy": {"timeout": "90s", "retry": {"from": "1s"}},
    }
    web = msgspec.structs.replace(
        declared("web", keys=("Service/web", "Deployment.apps/shop/web"), **spec), exact=False, faults=(FAULT,), absent=True
    )
    memory.advance(step(web, declared("api")))
    assert memory.declared(ESTATE, "web") == web
    assert memory.declared(ESTATE, "api") == declared("api")
    assert memory.declared(ESTATE, "never") is None
    assert memory.outlines(ESTATE) == [
        Outline("api", "api/trueup.yaml", "laptop"),
        Outline("web", "web/trueup.yaml", "laptop", ("db",), absent=True, faulty=True),
    ]


def test_a_step_writes_everything_it_names_and_nothing_else(memory: Memory) -> None:
    first = step(declared("web"), declared("api"), declared("old"), inputs=files("shared.yaml"))
    first.files = {"web/trueup.yaml": "w", "old/trueup.yaml": "o"}
    first.targets = [target("laptop"), target("old")]
    memory.advance(first)
    memory.advance(
        Advance(
            followed=followed("c2"),
            files={"web/trueup.yaml": "w2", "old/trueup.yaml": None},
            applications=[(declared("web", "c2", dependsOn=["api"]), files("web/a.yaml"))],
            revisions={"api": ("c2", False), "never": ("c2", True)},
            removed=["old"],
            targets=[target("server")],
            removed_targets=["old"],
            wake=[WEB],
            trigger=Trigger.PUSH,
        )
    )
    api = msgspec.structs.replace(declared("api", "c2"), exact=False)
    assert memory.applications(ESTATE) == [api, declared("web", "c2", dependsOn=["api"])]
    assert memory.files(ESTATE) == {"web/trueup.yaml": "w2"}
    assert memory.targets(ESTATE) == [target("laptop"), target("server")]
    assert (memory.target(ESTATE, "server"), memory.target(ESTATE, "old")) == (target("server"), None)
    assert memory.touched(ESTATE, ["shared.yaml"]) == [("api", files("shared.yaml")[0])]
    assert memory.inputs(ESTATE, "web") == files("web/a.yaml")
    assert memory.dependents(ESTATE, "api") == [WEB]
    assert memory.pending() == [WEB]
    assert memory.followed(ESTATE) == followed("c2")


def test_a_step_may_replace_all_that_was_known(memory: Memory) -> None:
    first = step(declared("old", keys=("Service/old",), dependsOn=["db"]), inputs=files("a"))
    first.files, first.targets = {"old/trueup.yaml": "o"}, [target("old")]
    memory.advance(first)
    second = step(declared("new"), commit="c2", inputs=files("b"))
    second.replace = True
    memory.advance(second)
    assert memory.applications(ESTATE) == [declared("new")]
    assert (memory.files(ESTATE), memory.targets(ESTATE)) == ({}, [])
    assert memory.touched(ESTATE, ["a", "b"]) == [("new", files("b")[0])]
    assert memory.declaring(ESTATE, "laptop", [Key.parse("Service/old")]) == {}
    assert memory.dependents(ESTATE, "db") == []


def test_what_was_applied_at_a_target_stands_at_what_it_meant_before(memory: Memory) -> None:
    never = standing("api", revision="")
    for each in (standing(), msgspec.structs.replace(never, versions={}), standing(target="other")):
        memory.stand(each)
    repointed = step(declared())
    repointed.repointed = {"laptop": "laptop@c1"}
    memory.advance(repointed)
    places = [(each.status.application, each.status.target) for each in memory.standings(ESTATE)]
    assert places == [("api", "laptop"), ("web", "laptop"), ("web", "laptop@c1"), ("web", "other")], "nothing of api was ever there"


def test_every_kind_of_input_is_found_by_its_path(memory: Memory) -> None:
    inputs = (Input("absent", "web/x.yaml"), Input("file", "web/a.yaml", "1"), Input("folder", "web", "2"), Input("whole", "web", "3"))
    memory.advance(step(declared("web"), inputs=inputs))
    assert sorted(memory.touched(ESTATE, ["web", "web/x.yaml", "web", "none"]), key=str) == sorted(
        (("web", each) for each in inputs if each.object_id != "1"), key=str
    )
    assert set(memory.inputs(ESTATE, "web")) == set(inputs)
    assert memory.touched("never seen", ["web"]) == []


def test_thousands_of_paths_and_names_and_keys_are_asked_for_at_once(memory: Memory) -> None:
    many = [declared(f"app-{number:04}", keys=(f"Service/s{number}",)) for number in range(2000)]
    memory.advance(Advance(followed=followed(), applications=[(each, files(f"{each.application.name}.yaml")) for each in many]))
    names = [each.application.name for each in many]
    assert {name for name, _ in memory.touched(ESTATE, [f"{name}.yaml" for name in names])} == set(names)
    assert memory.applications(ESTATE, names[::-1]) == many
    assert len(memory.declaring(ESTATE, "laptop", [each.keys[0] for each in many])) == 2000


def test_applications_come_in_pages(memory: Memory) -> None:
    memory.advance(step(*(declared(name) for name in "edcba")))

    def page(names: list[str] | None, after: str, limit: int) -> str:
        return "".join(each.application.name for each in memory.applications(ESTATE, names, after, limit))

    assert [page(None, "", 2), page(None, "b", 2), page(None, "d", 2), page(None, "e", 2)] == ["ab", "cd", "e", ""]
    assert [page(["e", "a", "c", "never"], "", 2), page(["e", "a", "c"], "c", 2), page([], "", 0)] == ["ac", "e", ""]


def test_who_renders_a_key_is_known_per_target(memory: Memory) -> None:
    memory.advance(
        step(
            declared("a", keys=("Service/web",)),
            declared("b", keys=("Service/web", "Job/b")),
            declared("c", keys=("Service/web",), target="other"),
        )
    )
    key, nobody = Key.parse("Service/web"), Key.parse("Service/nobody")
    assert memory.declaring(ESTATE, "laptop", [key, nobody, Key.parse("Job/b")]) == {key: ("a", "b"), Key.parse("Job/b"): ("b",)}
    assert memory.declaring(ESTATE, "other", [key]) == {key: ("c",)}


def test_who_renders_a_key_in_whatever_namespace_is_known(memory: Memory) -> None:
    memory.advance(
        step(
            declared("a", keys=("Issuer.example.org/shop/x", "Issuer.example.org/shop/y")),
            declared("b", keys=("Issuer.example.org/x", "Issuer.example.organic/shop/x")),
            declared("c", keys=("Issuer.example.org/other/x", "Issuer.example.org/shop/x")),
        )
    )
    anywhere, nobody = Key.parse("Issuer.example.org/*/x"), Key.parse("Issuer.example.org/*/z")
    assert memory.declaring(ESTATE, "laptop", [anywhere, nobody]) == {anywhere: ("a", "c")}


def test_a_render_is_kept_while_an_application_refers_to_it(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = open_memory(state)
    memory.advance(step(declared("web")))
    memory.remember_render("digest of web", b"web")
    memory.remember_render("old", b"first")
    memory.remember_render("old", b"second")
    assert (memory.rendered("old"), memory.rendered("never")) == (b"second", None)
    now = time.time()
    memory.retain(runs=10, days=10)
    assert memory.rendered("old") == b"second"
    monkeypatch.setattr(time, "time", lambda: now + RENDER_SECONDS + 60)
    memory.retain(runs=10, days=10)
    assert (memory.rendered("old"), memory.rendered("digest of web")) == (None, b"web")
