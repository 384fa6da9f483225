"""What a target may name, and what the operator must have allowed."""

import os
from pathlib import Path

import pytest

from trueup.model.application import Target, TargetSpec
from trueup.model.contracts import Place
from trueup.model.errors import SettingsError
from trueup.model.secret import Secret
from trueup.runtimes.host.kind import host


def permitted(state: Path, allowed: dict[str, object] | None = None, **spec: object) -> bool:
    target = Target("repository", "here", TargetSpec.model_validate({"runtime": "host", **spec}), "trueup.yaml", 3)
    before = sorted(state.parent.rglob("*"))
    fault = refusal(target, Place(state, lambda name: Secret("", name), allowed or {}))
    assert sorted(state.parent.rglob("*")) == before
    assert fault is None or (fault.hint and fault.where == "trueup.yaml:3")
    return fault is None


def refusal(target: Target, place: Place) -> SettingsError | None:
    try:
        host.permitted(target, place)
    except SettingsError as error:
        return error
    return None


def test_without_a_root_it_is_below_the_state_folder(tmp_path: Path) -> None:
    assert permitted(tmp_path / "state")
    assert permitted(tmp_path / "state", root=str(tmp_path / "state/elsewhere"))


@pytest.mark.skipif(os.geteuid() != 0, reason="for root the rule is stricter than for others")
def test_for_root_the_root_is_an_empty_folder_or_one_of_ours(tmp_path: Path) -> None:
    root = tmp_path / "root"
    assert not permitted(tmp_path / "state", root=str(root))
    root.mkdir()
    assert permitted(tmp_path / "state", root=str(root))
    (root / "passwd").touch()
    assert not permitted(tmp_path / "state", root=str(root))
    (root / ".trueup").mkdir()
    assert permitted(tmp_path / "state", root=str(root))
    root.chmod(0o777)
    assert not permitted(tmp_path / "state", root=str(root))
    assert not permitted(tmp_path / "state", root="/etc")
    assert not permitted(tmp_path / "state", root="/")


def test_what_others_own_or_write_to_is_no_root(tmp_path: Path) -> None:
    for root in ("/tmp", "/tmp/new", "/proc/1"):
        assert not permitted(tmp_path / "state", root=root)


def test_a_link_is_judged_by_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "srv").mkdir()
    (tmp_path / "srv/link").symlink_to("/etc")
    allowed: dict[str, object] = {"roots": [str(tmp_path / "srv")]}
    assert permitted(tmp_path / "state", allowed, root=str(tmp_path / "srv/apps"))
    assert not permitted(tmp_path / "state", allowed, root=str(tmp_path / "srv/link"))


def test_where_the_operator_names_roots_only_those_count(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    assert permitted(tmp_path / "state", root=str(own))
    assert not permitted(tmp_path / "state", {"roots": ["/srv/trueup"]}, root=str(own))
    assert permitted(tmp_path / "state", {"roots": ["/srv/trueup"]}, root="/srv/trueup/shop")
    assert not permitted(tmp_path / "state", {"roots": ["/srv/trueup"]}, root="/srv/trueup-other")


@pytest.mark.parametrize(
    ("path", "within"),
    [
        ("/etc/motd", True),
        ("/etc/nginx/sites/shop.conf", True),
        ("/etc/nginx/sites/*.conf", True),
        ("/etc/nginx/sites/**", False),
        ("/var/www/**", True),
        ("/var/www/shop/**", True),
        ("/var/www/*/x", True),
        ("/etc/passwd", False),
        ("/etc/*", False),
        ("/**", False),
        ("/etc/nginx/sites/a/b.conf", False),
    ],
)
def test_a_path_is_within_what_the_operator_allows(tmp_path: Path, path: str, within: bool) -> None:
    allowed: dict[str, object] = {"paths": ["/etc/motd", "/etc/nginx/sites/*.conf", "/var/www/**"]}
    assert permitted(tmp_path / "state", allowed, allowPaths=[path]) is within
    assert not permitted(tmp_path / "state", None, allowPaths=[path])


@pytest.mark.parametrize("spec", [{"rot": "/srv"}, {"root": "srv"}, {"root": "/srv/../etc"}, {"allowPaths": ["motd"]}])
def test_what_a_target_cannot_say_is_told(tmp_path: Path, spec: dict[str, object]) -> None:
    assert not permitted(tmp_path / "state", None, **spec)
