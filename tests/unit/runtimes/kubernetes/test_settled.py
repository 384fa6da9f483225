"""What needs no second look."""

from pathlib import Path

from tests.unit.runtimes.kubernetes.objects import OWNER, config_map, live, managed, marked, wanted
from trueup.model.application import Ignore
from trueup.runtimes.kubernetes.settled import Settled

OURS = managed("trueup", {"f:data": {"f:colour": {}}}, "Apply")
WANTED = wanted(config_map({"colour": "red"}))
LIVE = live(marked(config_map({"colour": "red"}, managedFields=[OURS])))


def test_it_holds_until_git_the_rules_or_the_object_move() -> None:
    settled = Settled()
    assert settled.scales_the_same(WANTED) is None
    settled.note(WANTED, LIVE)
    assert settled.holds(WANTED, LIVE)
    assert not settled.holds(wanted(config_map({"colour": "blue"})), LIVE)
    assert not settled.holds(wanted(config_map({"colour": "red"}), rules=(Ignore(field="data.x"),)), LIVE)
    assert not settled.holds(WANTED, live(marked(config_map({"colour": "blue"}, managedFields=[OURS]))))
    settled.forget(OWNER, WANTED.key)
    assert not settled.holds(WANTED, LIVE)


def test_it_outlives_a_restart(tmp_path: Path) -> None:
    settled = Settled(tmp_path / "deep" / "notes")
    settled.note(WANTED, LIVE)
    settled.keep()
    assert Settled(tmp_path / "deep" / "notes").holds(WANTED, LIVE)
    settled.forget(OWNER, WANTED.key)
    settled.keep()
    assert Settled(tmp_path / "deep" / "notes").scales_the_same(WANTED) is None


def test_a_file_that_cannot_be_used_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "notes").write_bytes(b"this is no database" * 100)
    settled = Settled(tmp_path / "notes")
    settled.note(WANTED, LIVE)
    settled.keep()
    assert settled.holds(WANTED, LIVE)
