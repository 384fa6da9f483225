import asyncio
import os
import sqlite3
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.contract.memory_ground import MemoryGround
from trueup.model.application import Ignore, Policy, Removal, TargetSpec
from trueup.model.contracts import Desired, Lost, Moved
from trueup.model.errors import Refused, SettingsError, Unreachable
from trueup.model.health import Health, State
from trueup.model.manifest import Body, Key, Manifest, Origin
from trueup.model.plan import Verb
from trueup.runtimes.memory import memory
from trueup.runtimes.memory.runtime import MemoryRuntime
from trueup.testing import gone, ignoring, owner_of, under, walk

KEY = Key("Thing", "web", "example.org")


@pytest.fixture
def ground(tmp_path: Path) -> MemoryGround:
    return MemoryGround(tmp_path)


@pytest.fixture
async def runtime(ground: MemoryGround) -> AsyncIterator[MemoryRuntime]:
    runtime = await memory.open(ground.target(), ground.place())
    yield runtime
    await runtime.close()


def thing(specification: object = None, **metadata: object) -> Body:
    return {"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "web", **metadata}, "spec": specification}


def shop(ground: MemoryGround, *bodies: Body) -> Desired:
    return ground.desired("shop", bodies)


async def health_of(runtime: MemoryRuntime, desired: Desired) -> Health:
    return (await runtime.health(desired, {KEY: ""}))[KEY]


@pytest.mark.parametrize(
    ("specification", "health"),
    [
        (None, Health(State.HEALTHY)),
        ("anything", Health(State.HEALTHY)),
        ({"health": "degraded"}, Health(State.DEGRADED, "spec.health says so")),
        ({"health": "healthy"}, Health(State.HEALTHY)),
        ({"health": "mighty"}, Health(State.UNKNOWN, "spec.health says so")),
        ({"healthyAfter": "1h"}, Health(State.PROGRESSING, "spec.healthyAfter is not over")),
        ({"healthyAfter": "1h", "health": "suspended"}, Health(State.SUSPENDED, "spec.healthyAfter is not over")),
    ],
)
async def test_git_steers_health(ground: MemoryGround, runtime: MemoryRuntime, specification: object, health: Health) -> None:
    desired = shop(ground, thing(specification))
    await walk(runtime, desired)
    assert await health_of(runtime, desired) == health


async def test_what_was_progressing_becomes_healthy_and_is_watched(ground: MemoryGround, runtime: MemoryRuntime) -> None:
    desired = shop(ground, thing({"healthyAfter": "1s", "health": "degraded"}))
    moves = runtime.watch()
    await walk(runtime, desired)
    assert (await health_of(runtime, desired)).state is State.DEGRADED
    assert await asyncio.wait_for(anext(moves), 60) == Moved(owner_of(desired), KEY)
    assert (await health_of(runtime, desired)).state is State.HEALTHY


async def test_an_immutable_field_makes_the_object_anew(ground: MemoryGround, runtime: MemoryRuntime) -> None:
    await walk(runtime, shop(ground, thing({"immutable": 1})))
    before = (await ground.world())[KEY]
    for annotations, allowed in (({}, False), ({"trueup.dev/replace": "allowed"}, True)):
        action = (await runtime.plan(shop(ground, thing({"immutable": 2}, annotations=annotations)))).changes[0]
        assert (action.verb, action.allowed) == (Verb.REPLACE, allowed)
    await walk(runtime, shop(ground, thing({"immutable": 2})))
    assert (await ground.world())[KEY].identity != before.identity


async def test_what_is_not_ours_is_never_made_anew(ground: MemoryGround, runtime: MemoryRuntime) -> None:
    await runtime.tamper(KEY, thing({"immutable": 1}))
    before = await ground.world()
    outcomes = await walk(runtime, shop(ground, thing({"immutable": 2})))
    assert [outcome.message for outcome in outcomes] == ["Thing.example.org/web was refused: spec.immutable cannot change"]
    assert await ground.world() == before


async def test_a_body_with_another_source_is_another_object(ground: MemoryGround, runtime: MemoryRuntime) -> None:
    note = ground.bodies(1, "shop")[2]
    first = shop(ground, note)
    await walk(runtime, first)
    moved = Desired(first.application, "2" * 40, (replace_sources(first.manifests[0], "f" * 40),), first.tree)
    changes = (await runtime.plan(moved)).changes[0].changes
    assert [(change.path, change.after) for change in changes] == [('sources["shop/site"]', "f" * 40)]
    await walk(runtime, moved)
    assert (await runtime.plan(moved)).empty


def replace_sources(manifest: Manifest, identity: str) -> Manifest:
    return Manifest(manifest.key, manifest.body, Origin(), 0, dict.fromkeys(manifest.sources, identity))


async def test_what_a_manager_sets_is_left_alone_for_good(ground: MemoryGround, runtime: MemoryRuntime) -> None:
    def desired(colour: str, rule: Ignore) -> Desired:
        return ignoring(shop(ground, thing({"colour": colour, "size": 1, "items": [{"name": "a", "size": 1}]})), [rule])

    scaler, other = Ignore(manager="scal*"), Ignore(manager="somebody")
    await walk(runtime, desired("red", scaler))
    await runtime.tamper(KEY, thing({"colour": "red", "size": 9, "items": [{"name": "a", "size": 7}]}), "scaler")
    assert (await runtime.plan(desired("red", scaler))).empty
    assert not (await runtime.plan(desired("red", other))).empty
    for colour in ("blue", "green"):
        await walk(runtime, desired(colour, scaler))
        assert (await runtime.plan(desired(colour, scaler))).empty
        live = await runtime.live(owner_of(desired(colour, scaler)), KEY)
        assert live is not None
        assert live.body["spec"] == {"colour": colour, "size": 9, "items": [{"name": "a", "size": 7}]}


@pytest.mark.parametrize("field", ["spec.items[name=a].size", "spec.*", "*.size", "/spec/items"])
async def test_ignored_fields_are_named_by_globs_and_pointers(ground: MemoryGround, runtime: MemoryRuntime, field: str) -> None:
    desired = shop(ground, thing({"items": [{"name": "a", "size": 1}]}))
    await walk(runtime, desired)
    await runtime.tamper(KEY, thing({"items": [{"name": "a", "size": 2}]}))
    assert (await runtime.plan(ignoring(desired, [Ignore(key="Thing.*/w?b", field=field)]))).empty
    assert not (await runtime.plan(ignoring(desired, [Ignore(key="Thing/web", field=field)]))).empty
    assert not (await runtime.plan(ignoring(desired, [Ignore(field="spec.item")]))).empty


async def test_a_plan_says_field_by_field_what_would_change(ground: MemoryGround, runtime: MemoryRuntime) -> None:
    await walk(runtime, shop(ground, thing({"ports": [{"name": "http", "port": 80}]})))
    action = (await runtime.plan(shop(ground, thing({"ports": [{"name": "http", "port": 81}]})))).changes[0]
    assert [(change.path, change.before, change.after) for change in action.changes] == [("spec.ports[name=http].port", 80, 81)]


async def test_who_changed_it_is_known_until_we_write_again(ground: MemoryGround, runtime: MemoryRuntime) -> None:
    desired = shop(ground, thing({"size": 1}))
    await walk(runtime, desired)
    await runtime.tamper(KEY, thing({"size": 2}), "kubectl")
    live = await runtime.live(owner_of(desired), KEY)
    assert live is not None
    assert [(touch.manager, touch.changes[0].path) for touch in live.changed_by] == [("kubectl", "spec.size")]
    await walk(runtime, desired)
    live = await runtime.live(owner_of(desired), KEY)
    assert live is not None
    assert live.changed_by == ()


async def test_removal_keep_leaves_the_objects_to_nobody(ground: MemoryGround, runtime: MemoryRuntime) -> None:
    desired = shop(ground, thing())
    await walk(runtime, desired)
    keeping = under(gone(desired), Policy(removal=Removal.KEEP))
    assert [(action.verb, action.reason) for action in (await runtime.plan(keeping)).actions] == [(Verb.UPDATE, "leaves Git, stays")]
    await walk(runtime, keeping)
    assert (KEY in await ground.world(), await runtime.owned()) == (True, [])


async def test_two_manifests_of_one_object_are_refused(ground: MemoryGround, runtime: MemoryRuntime) -> None:
    with pytest.raises(Refused, match=r"^Thing.example.org/web is declared twice$"):
        await runtime.plan(shop(ground, thing(1), thing(2)))


async def test_logs_tell_each_write_and_go_on_when_followed(ground: MemoryGround, runtime: MemoryRuntime) -> None:
    await walk(runtime, shop(ground, thing(1)))
    lines = runtime.logs(owner_of(shop(ground)), KEY, follow=True)
    assert "created at revision 1111111111" in await anext(lines)
    await walk(runtime, shop(ground, thing(2)))
    assert "updated at revision 1111111111" in await asyncio.wait_for(anext(lines), 60)
    with pytest.raises(Refused, match="it is not there"):
        await anext(runtime.logs(owner_of(shop(ground)), Key("Thing", "none"), follow=False))


async def test_a_watch_that_missed_something_says_so(ground: MemoryGround, runtime: MemoryRuntime) -> None:
    await walk(runtime, shop(ground, thing()))
    moves = runtime.watch()
    file = ground.place().folder / "world.memory"
    with sqlite3.connect(file) as connection:
        for _ in range(1100):
            connection.execute("update object set entry = entry")
    assert isinstance(await asyncio.wait_for(anext(moves), 60), Lost)
    assert await asyncio.wait_for(anext(moves), 60) == Moved(owner_of(shop(ground)), KEY, "trueup")


async def test_our_own_writes_are_no_moves(ground: MemoryGround, runtime: MemoryRuntime) -> None:
    moves = runtime.watch()
    for desired in (shop(ground, thing(1)), shop(ground, thing(2)), gone(shop(ground, thing(2)))):
        await walk(runtime, desired)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(moves), 1.2)


async def test_without_a_file_each_target_has_a_world_of_its_own(ground: MemoryGround) -> None:
    for name in ("here", "there"):
        runtime = await memory.open(replace(ground.target(), name=name, spec=TargetSpec(runtime="memory")), ground.place())
        assert [outcome.verb for outcome in await walk(runtime, shop(ground, thing()))] == [Verb.CREATE]
        await runtime.close()
    assert sorted(file.name for file in ground.place().folder.glob("*.memory")) == ["here.memory", "there.memory"]


async def test_nobody_else_may_read_the_file_and_no_secret_is_in_it(ground: MemoryGround, runtime: MemoryRuntime) -> None:
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "password"}, "data": {"password": "correct-horse"}}
    await walk(runtime, shop(ground, body))
    for file in ground.place().folder.glob("world.memory*"):
        assert b"correct-horse" not in file.read_bytes()
    assert stat.S_IMODE((ground.place().folder / "world.memory").stat().st_mode) == 0o600


async def test_an_operator_bounds_where_files_are(ground: MemoryGround) -> None:
    with pytest.raises(ValueError, match="below the runtime's own folder"):
        memory.Specification(file="../elsewhere")
    ground.place().folder.mkdir()
    (ground.place().folder / "world.memory").symlink_to(ground.folder / "elsewhere")
    with pytest.raises(SettingsError, match="outside"):
        memory.permitted(ground.target(), ground.place())


async def test_what_cannot_be_opened_is_unreachable(ground: MemoryGround) -> None:
    (ground.place().folder / "world.memory").mkdir(parents=True)
    with pytest.raises(Unreachable) as caught:
        await memory.open(ground.target(), ground.place())
    assert caught.value.hint


async def test_a_delay_is_what_each_write_takes(ground: MemoryGround) -> None:
    slow = replace(ground.target(), spec=TargetSpec.model_validate({"runtime": "memory", "delay": "50ms"}))
    runtime = await memory.open(slow, ground.place())
    before = asyncio.get_running_loop().time()
    outcomes = await walk(runtime, shop(ground, *ground.bodies(1, "shop")))
    assert asyncio.get_running_loop().time() - before >= 0.15
    assert all(outcome.seconds >= 0.05 for outcome in outcomes)
    await runtime.close()


@pytest.mark.parametrize(
    ("specification", "places"),
    [
        ({"health": "mighty"}, ["health"]),
        ({"healthyAfter": 3}, ["healthyAfter"]),
        ({"health": "degraded", "healthyAfter": "3s"}, []),
        ("x", []),
    ],
)
def test_only_the_fields_that_steer_are_checked(ground: MemoryGround, specification: object, places: list[str]) -> None:
    manifest = ground.desired("shop", [thing(specification)]).manifests[0]
    assert [objection.path for objection in memory.check(manifest)] == [("spec", place) for place in places]


def test_default_namespaces_are_for_all_but_namespaces() -> None:
    assert memory.namespaced(thing())
    assert not memory.namespaced({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})


_KILLED = """
import asyncio, pathlib, sys
from tests.contract.memory_ground import MemoryGround
from trueup.testing import walk

class Slow(MemoryGround):
    def options(self):
        return {**super().options(), "delay": "100ms"}

async def main():
    ground = Slow(pathlib.Path(sys.argv[1]))
    await walk(await ground.open(), ground.version(1))

asyncio.run(main())
"""


async def test_what_a_killed_process_wrote_is_owned_and_the_rest_follows(ground: MemoryGround, root: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(root)}
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _KILLED, str(ground.folder), env=environment)
    while not await ground.world():
        await asyncio.sleep(0.01)
    process.kill()
    await process.wait()
    half = await ground.world()
    runtime = await memory.open(ground.target(), ground.place())
    assert [(owned.revision, set(owned.keys)) for owned in await runtime.owned()] == [("1" * 40, set(half))]
    assert [outcome.state for outcome in await walk(runtime, ground.version(1))] == ["done"] * (3 - len(half))
    whole = await ground.world()
    assert {key: whole[key] for key in half} == half
    assert len(whole) == 3
    await runtime.close()
