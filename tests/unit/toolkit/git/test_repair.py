import asyncio
import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.testbed.repositories import Workplace
from trueup.model.errors import Unreachable
from trueup.toolkit.git import repair
from trueup.toolkit.git.lock import held
from trueup.toolkit.git.mirror import Mirror
from trueup.toolkit.process import Limits


async def test_a_lock_file_of_a_killed_fetch_is_removed(workplace: Workplace, mirror: Mirror) -> None:
    workplace.commit({"a": "1"})
    await mirror.head()
    for reference in mirror.objects.directory.glob("refs/trueup/*"):
        reference.with_name(reference.name + ".lock").touch()
    second = workplace.commit({"a": "2"})
    assert (await mirror.head()).commit == second


async def test_an_abandoned_pack_is_swept_and_a_young_one_is_not(workplace: Workplace, mirror: Mirror) -> None:
    workplace.commit({"a": "1"})
    await mirror.head()
    folder = mirror.objects.directory / "objects/pack"
    for name, age in (("tmp_pack_old", 4000), ("tmp_pack_young", 5)):
        (folder / name).write_bytes(b"PACK")
        os.utime(folder / name, (time.time() - age, time.time() - age))
    await Mirror(mirror.folder.parent, mirror.remote).head()
    assert [path.name for path in folder.glob("tmp_*")] == ["tmp_pack_young"]


def unpack(mirror: Mirror) -> None:
    """Turn the packs into single files, which can be damaged one by one."""
    for pack in mirror.objects.directory.glob("objects/pack/*.pack"):
        moved = pack.rename(mirror.folder / pack.name)
        pack.with_suffix(".idx").unlink()
        with moved.open("rb") as source:
            subprocess.run(["git", f"--git-dir={mirror.objects.directory}", "unpack-objects", "-q"], stdin=source, check=True)


def place_of(mirror: Mirror, object_id: str) -> Path:
    return mirror.objects.directory / "objects" / object_id[:2] / object_id[2:]


@pytest.mark.parametrize("lost", ["a", "a/b", "a/b/c"])
async def test_a_lost_object_is_never_an_absent_file(workplace: Workplace, mirror: Mirror, lost: str) -> None:
    commit = workplace.commit({"a/b/c": "1"})
    await mirror.head()
    unpack(mirror)
    place_of(mirror, workplace.git("rev-parse", f"HEAD:{lost}")).unlink()
    fresh = Mirror(mirror.folder.parent, mirror.remote)
    with pytest.raises(Unreachable, match="missing"):
        fresh.tree(commit).read("a/b/c")
    if lost != "a/b/c":
        with pytest.raises(Unreachable, match="missing"):
            fresh.tree(commit).kind("a/b/c")
    assert (await fresh.head()).commit == commit
    assert fresh.tree(commit).read("a/b/c") == b"1"


@pytest.mark.parametrize(
    "damage", ["commit gone", "commit empty", "packs gone", "reference broken", "configuration broken", "no repository"]
)
async def test_a_damaged_mirror_is_rebuilt(workplace: Workplace, mirror: Mirror, damage: str) -> None:
    commit = workplace.commit({"a": "1"})
    await mirror.head()
    directory = mirror.objects.directory
    if damage == "commit gone":
        unpack(mirror)
        place_of(mirror, commit).unlink()
    elif damage == "commit empty":
        unpack(mirror)
        place_of(mirror, commit).chmod(0o644)
        place_of(mirror, commit).write_bytes(b"")
    elif damage == "packs gone":
        for pack in directory.glob("objects/pack/*"):
            pack.unlink()
    elif damage == "reference broken":
        for reference in directory.glob("refs/trueup/*"):
            reference.write_text("")
    elif damage == "configuration broken":
        (directory / "config").write_text("[core\n")
    else:
        (directory / "HEAD").unlink()
    fresh = Mirror(mirror.folder.parent, mirror.remote)
    head = await fresh.head()
    await fresh.fetch(head)
    assert fresh.tree(commit).read("a") == b"1"
    assert [path.name for path in mirror.folder.iterdir() if path.suffix in (".new", ".broken", ".damaged")] == []


async def test_a_false_alarm_does_not_fetch_everything_anew(workplace: Workplace, mirror: Mirror) -> None:
    workplace.commit({"a": "1"})
    head = await mirror.head()
    created = mirror.objects.directory.stat().st_ino
    mirror.objects.damage.touch()
    await mirror.fetch(head)
    assert mirror.objects.directory.stat().st_ino == created
    assert not mirror.objects.damage.exists()


async def test_one_process_at_a_time_fetches(workplace: Workplace, mirror: Mirror) -> None:
    commit = workplace.commit({"a": "1"})
    impatient = Mirror(mirror.folder.parent, mirror.remote, request=Limits(deadline=0.2))
    async with held(mirror.folder / "lock", 1):
        with pytest.raises(Unreachable, match="another process"):
            await impatient.head("main")
        waiting = asyncio.create_task(mirror.head("main"))
        await asyncio.sleep(0.1)
        assert not waiting.done()
    assert (await waiting).commit == commit


async def test_many_packs_are_joined_and_still_read(workplace: Workplace, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trueup.toolkit.git.mirror.MOST_PACKS", 4)
    commits = [workplace.commit({"a": "0"})]
    await mirror.head()
    old = mirror.tree(commits[0])
    for number in range(1, 8):
        commits.append(workplace.commit({"a": str(number)}))
        await mirror.head()
    assert repair.packs(mirror.objects.directory) <= 4
    assert [mirror.tree(commit).read("a") for commit in commits] == [str(number).encode() for number in range(8)]
    assert old.read("a") == b"0"
