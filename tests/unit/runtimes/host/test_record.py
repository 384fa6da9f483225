"""Records of ownership: whole or not at all."""

from pathlib import Path

import pytest

from trueup.model.application import Policy
from trueup.model.contracts import Owner
from trueup.model.errors import Refused, Unreachable
from trueup.model.manifest import Key
from trueup.runtimes.host.record import Entry, Record, Records

OURS, THEIRS = Owner("https://git.example.org/a#main", "shop"), Owner("https://git.example.org/b#main", "shop")


def record(owner: Owner, *names: str) -> Record:
    entries = tuple(Entry(key=Key("File", name), paths=(f"/srv/{name}",)) for name in names)
    return Record(owner=owner, revision="1" * 40, policy=Policy(prune=False), entries=entries)


def test_what_was_saved_is_read_again(tmp_path: Path) -> None:
    Records(tmp_path).save(record(OURS, "a", "b"))
    assert Records(tmp_path).load(OURS) == record(OURS, "a", "b")
    assert Records(tmp_path).all() == [record(OURS, "a", "b")]


def test_two_repositories_may_have_an_application_of_the_same_name(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.save(record(OURS, "a"))
    records.save(record(THEIRS, "b"))
    assert records.load(OURS) == record(OURS, "a")
    assert records.others(OURS) == [record(THEIRS, "b")]


def test_a_record_without_objects_is_removed_with_its_empty_folders(tmp_path: Path) -> None:
    records = Records(tmp_path)
    (tmp_path / "shop").mkdir()
    for names in (("a",), ()):
        lock = records.lock("shop")
        records.save(record(OURS, *names))
        records.unlock("shop", lock)
    assert [each for each in tmp_path.rglob("*") if each.name != ".trueup"] == []
    assert records.load(OURS) == Record(owner=OURS)


def test_a_folder_that_is_not_empty_stays(tmp_path: Path) -> None:
    records = Records(tmp_path)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/theirs").touch()
    records.save(record(OURS, "a"))
    records.save(record(OURS))
    assert (tmp_path / "shop/theirs").exists()


def test_two_never_write_for_an_application_at_a_time(tmp_path: Path) -> None:
    records = Records(tmp_path)
    lock = records.lock("shop")
    with pytest.raises(Unreachable, match="another Trueup writes"):
        Records(tmp_path).lock("shop", patience=0.1)
    records.unlock("till", Records(tmp_path).lock("till"))
    records.unlock("shop", lock)
    records.unlock("shop", Records(tmp_path).lock("shop", patience=0))


def test_the_record_of_a_newer_trueup_is_left_alone(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.save(record(OURS, "a"))
    records.file(OURS).write_text(records.file(OURS).read_text().replace('"format":1', '"format":2'))
    with pytest.raises(Refused, match="newer Trueup"):
        records.load(OURS)


@pytest.mark.parametrize("damage", [b"", b"{", b'{"owner": 3}', b"\xff\xfe"])
def test_a_damaged_record_is_refused_and_concluded_from_by_nobody(tmp_path: Path, damage: bytes) -> None:
    records = Records(tmp_path)
    records.save(record(OURS, "a"))
    records.file(OURS).write_bytes(damage)
    for read in (lambda: records.load(OURS), records.all, lambda: records.others(THEIRS)):
        with pytest.raises(Refused, match="cannot be read") as refused:
            read()
        assert "restore it" in refused.value.hint


def test_only_their_owner_may_read_records(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.save(record(OURS, "a"))
    assert records.file(OURS).stat().st_mode & 0o077 == 0
    assert records.folder.stat().st_mode & 0o077 == 0
