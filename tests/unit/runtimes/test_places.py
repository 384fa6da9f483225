"""Whether two declarations of a target mean the same place."""

from typing import Any

import pytest

from trueup.assembly import renderer_kinds, runtime_kinds
from trueup.model.application import Target, TargetSpec
from trueup.model.contracts import Kinds

KINDS = Kinds(renderer_kinds(), runtime_kinds())


def meaning(runtime: str, name: str = "here", **options: Any) -> Target:
    return Target("/repository", name, TargetSpec.model_validate({"runtime": runtime, **options}), "trueup.yaml")


@pytest.mark.parametrize(
    ("runtime", "here", "beside", "elsewhere"),
    [
        ("memory", {"file": "one"}, {"delay": "1s"}, {"file": "two"}),
        ("host", {"root": "/srv/one"}, {"allowPaths": ["/etc/motd"]}, {"root": "/srv/two"}),
        ("compose", {"engine": "ssh://one"}, {"certificateAuthority": "x"}, {"engine": "ssh://two"}),
        ("kubernetes", {"context": "one"}, {"concurrency": 1}, {"context": "two"}),
    ],
)
def test_what_is_said_beside_the_place_makes_it_no_other(
    runtime: str, here: dict[str, Any], beside: dict[str, Any], elsewhere: dict[str, Any]
) -> None:
    target = meaning(runtime, **here)
    assert KINDS.mean_one_place(target, meaning(runtime, **{**here, **beside})) is True
    assert KINDS.mean_one_place(target, meaning(runtime, **{**here, **elsewhere})) is False
    assert KINDS.mean_one_place(target, meaning("host" if runtime != "host" else "memory")) is False


@pytest.mark.parametrize("runtime", ["memory", "host"])
def test_a_place_of_its_own_is_found_by_the_name_of_the_target(runtime: str) -> None:
    target = meaning(runtime)
    assert KINDS.mean_one_place(target, target.as_of("3f2a9c1" * 6)) is True
    assert KINDS.mean_one_place(target, meaning(runtime, "there")) is False


class Broken:
    """Somebody's kind of runtime."""

    def place_of(self, target: Target) -> str:
        raise ZeroDivisionError


def test_of_a_plug_in_that_breaks_it_cannot_be_told() -> None:
    runtimes: dict[str, Any] = {"broken": Broken()}
    assert Kinds({}, runtimes).mean_one_place(meaning("broken"), meaning("broken", file="two")) is None
