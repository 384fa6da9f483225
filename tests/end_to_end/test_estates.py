"""Whatever is pushed, the targets end as Git says: nothing is left behind, and nothing that stays is made anew."""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.end_to_end.estate import Estate, Files, Operator, application, documents, eventually, target, thing
from trueup.model.run import Sync
from trueup.model.selection import Selection

APPLICATIONS = ("api", "shop", "web")
TARGETS = ("east", "west")
THINGS = tuple(f"t{number}" for number in range(7))
ALLOWED = {"removal": "delete", "deleteLimit": {"count": 100, "percent": 100}}
BROKEN = "a: [\n"

World = dict[tuple[str, str], tuple[str, int]]
"""(target, thing) -> (owner, size)."""


@dataclass
class Wanted:
    """What Git says: where each application is (None: it is not declared), whose each thing is, and how large."""

    places: dict[str, str | None] = field(default_factory=lambda: dict.fromkeys(APPLICATIONS, "east"))
    folders: dict[str, str] = field(default_factory=lambda: {name: name for name in APPLICATIONS})
    owners: dict[str, str] = field(default_factory=lambda: {name: APPLICATIONS[number % 3] for number, name in enumerate(THINGS)})
    sizes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(THINGS, 1))
    needs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    broken: str = ""

    policy: dict[str, Any] = field(default_factory=lambda: ALLOWED)

    def files(self) -> Files:
        """The repository's files."""
        files: Files = {"targets.trueup.yaml": documents(*(target(name) for name in TARGETS))}
        for name, place in self.places.items():
            if place is None:
                continue
            folder = self.folders[name]
            needs = [each for each in self.needs.get(name, ()) if self.places[each] is not None]
            files[f"{folder}/trueup.yaml"] = documents(application(name, place, path=".", policy=self.policy, dependsOn=needs))
            files[f"{folder}/keep.yaml"] = documents(thing(f"of-{name}"))
            for each in THINGS:
                if self.owners[each] == name:
                    files[f"{folder}/{each}.yaml"] = documents(thing(each, wave=len(each) - 2, size=self.sizes[each]))
        if self.broken in files:
            files[self.broken] = BROKEN
        return files

    def world(self) -> World:
        """What the targets must hold."""
        world: World = {(place, f"of-{name}"): (name, 0) for name, place in self.places.items() if place}
        for each, owner in self.owners.items():
            place = self.places[owner]
            if place:
                world[place, each] = (owner, self.sizes[each])
        return world


def _changed(wanted: Wanted, chance: random.Random) -> None:
    """One thing that somebody pushes."""
    name, each = chance.choice(APPLICATIONS), chance.choice(THINGS)
    wanted.broken = ""
    match chance.choice(("size", "owner", "owner", "place", "absent", "folder", "needs", "broken")):
        case "size":
            wanted.sizes[each] += 1
        case "owner":
            wanted.owners[each] = name
        case "place":
            wanted.places[name] = chance.choice(TARGETS)
        case "absent":
            wanted.places[name] = None if wanted.places[name] else chance.choice(TARGETS)
        case "folder":
            wanted.folders[name] = f"{name}-{chance.randrange(3)}"
        case "needs":
            # Only on those that sort before it: no cycles.
            wanted.needs[name] = tuple(other for other in APPLICATIONS if other < name and chance.random() < 0.7)
        case "broken":
            wanted.broken = chance.choice([path for path in wanted.files() if path != "targets.trueup.yaml"] or ["targets.trueup.yaml"])


def _world(estate: Estate) -> World:
    found: World = {}
    for place in TARGETS:
        for record in estate.world(place).objects().values():
            found[place, record.key.name] = (record.owner.application if record.owner else "", record.entry.body["spec"].get("size", 0))
    return found


def _identities(estate: Estate) -> dict[tuple[str, str], str]:
    return {(place, record.key.name): record.entry.uid for place in TARGETS for record in estate.world(place).objects().values()}


def _commit(estate: Estate, files: Files) -> None:
    """Commit exactly these files."""
    tracked = estate.workplace.git("ls-files").splitlines()
    estate.commit({**dict.fromkeys(path for path in tracked if path not in files), **files})


async def _pushed(estate: Estate, operator: Operator, files: Files) -> None:
    """Commit exactly these files and apply."""
    _commit(estate, files)
    await operator.apply(yes=True)


async def expect_targets_as_git_says(estate: Estate, seed: int, commits: int = 12) -> None:
    """Push one random change after another, and look after each that can be applied as a whole."""
    chance, wanted = random.Random(seed), Wanted()
    async with estate.operator() as operator:
        for _ in range(commits):
            before, there = _identities(estate), wanted.world()
            for _ in range(chance.randrange(1, 4)):
                _changed(wanted, chance)
            await _pushed(estate, operator, wanted.files())
            if wanted.broken:
                wanted.broken = ""
                await _pushed(estate, operator, wanted.files())
            told: Any = (seed, operator.problem, [(run.application, run.state, run.message) for run in await operator.history()][:6])
            assert _world(estate) == wanted.world(), told
            after = _identities(estate)
            stayed = [place for place in wanted.world() if place in there and place in before]
            assert [(place, told) for place in stayed if after[place] != before[place]] == []
            assert await operator.waiting() == [], told
            assert await operator.apply() == [], told


async def expect_a_serve_to_follow(estate: Estate, seed: int, commits: int = 12) -> None:
    """The same beside a serve, which is given no time between some of the pushes."""
    chance, wanted = random.Random(seed), Wanted()
    async with estate.served() as operator:
        for _ in range(commits):
            _changed(wanted, chance)
            _commit(estate, wanted.files())
            if chance.random() < 0.4:
                await asyncio.sleep(chance.random() / 4)
                continue
            wanted.broken = ""
            _commit(estate, wanted.files())
            await eventually(lambda: _world(estate) == wanted.world())
        wanted.broken = ""
        _commit(estate, wanted.files())
        await eventually(lambda: _world(estate) == wanted.world())
        await eventually(lambda: _rests(operator))


async def _rests(operator: Operator) -> bool:
    statuses = await operator.engine.remembered(operator.repository, Selection(everything=True))
    return all(status.sync == Sync.SYNCED for status in statuses) and not await operator.waiting()


async def expect_nothing_lost_unapproved(estate: Estate, seed: int, commits: int = 12) -> None:
    """The same under the default policy and without any approval: an application loses few of its objects at once, or none."""
    chance, wanted = random.Random(seed), Wanted(policy={})
    async with estate.operator() as operator:
        for _ in range(commits):
            before = _world(estate)
            for _ in range(chance.randrange(1, 4)):
                _changed(wanted, chance)
            _commit(estate, wanted.files())
            await operator.apply()
            after = {name for _, name in _world(estate)}
            for owner in APPLICATIONS:
                owned = {name for (_, name), (mark, _) in before.items() if mark == owner}
                lost = owned - after
                assert len(lost) <= 10, (seed, owner, lost)
                assert len(owned) < 4 or len(lost) * 2 <= len(owned), (seed, owner, lost)
                assert not lost or wanted.places[owner], (seed, owner, lost, "its declaration is gone")
                assert not lost or not wanted.broken.startswith(wanted.folders[owner] + "/"), (seed, owner, lost, "it is broken")


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_without_approval_nothing_is_lost_by_accident(estate: Estate, seed: int) -> None:
    await expect_nothing_lost_unapproved(estate, seed)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_serve_ends_as_git_says_however_quickly_it_is_pushed(estate: Estate, seed: int) -> None:
    await expect_a_serve_to_follow(estate, seed)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_targets_end_as_git_says(estate: Estate, seed: int) -> None:
    await expect_targets_as_git_says(estate, seed)
