"""A batch of actions is carried out: looked at once more, done, and remembered."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial

import msgspec

from trueup.model.contracts import Desired
from trueup.model.errors import DeclarationError, Refused, TrueupError, Unreachable
from trueup.model.manifest import Key
from trueup.model.plan import Action, Verb
from trueup.model.run import Outcome
from trueup.runtimes.compose.company import Company, companies
from trueup.runtimes.compose.engine import Absent
from trueup.runtimes.compose.heirs import givers, rings
from trueup.runtimes.compose.holding import holdings
from trueup.runtimes.compose.labels import Marks, marks_of
from trueup.runtimes.compose.look import Look, ServiceLook, version_of
from trueup.runtimes.compose.making import Maker
from trueup.runtimes.compose.picture import MOVING, Picture
from trueup.runtimes.compose.planning import keeps, look_at, seen_at, used_by
from trueup.runtimes.compose.providing import Provider
from trueup.runtimes.compose.record import Entry, Record, Standing
from trueup.runtimes.compose.renewing import Renewal
from trueup.runtimes.compose.scene import Scene, Stage
from trueup.runtimes.compose.setbacks import refuse_again, setback_of
from trueup.runtimes.compose.sweeping import sweep
from trueup.runtimes.compose.things import applied
from trueup.runtimes.compose.updating import DidBadly, GaveWay, discard, settle
from trueup.toolkit.together import as_they_come

_AT_ONCE = 8
_OUTDATED = "it moved since the plan was made"


@dataclass(slots=True)
class Batch:
    """Actions of one application that do not depend on each other."""

    stage: Stage
    desired: Desired
    scene: Scene
    records: dict[str, Record]
    companies: dict[Key, Company] = field(default_factory=dict)

    @classmethod
    async def begun(cls, stage: Stage, desired: Desired) -> "Batch":
        """Look at everything once. Raises Unreachable."""
        scene = await stage.scene(desired)
        return cls(stage, desired, scene, dict(scene.records))

    @property
    def picture(self) -> Picture:
        """What is known of the engine."""
        return self.stage.picture

    async def run(self, actions: Sequence[Action]) -> AsyncGenerator[Outcome, None]:
        """Each outcome as it comes. Raises Unreachable."""
        acting = [action for action in actions if action.verb is not Verb.UNCHANGED]
        if acting:
            await self._declare()
        replacing = [action.key for action in acting if action.key in self.scene.manifests]
        self.companies = companies(rings(givers(self.scene), replacing))
        slots = asyncio.Semaphore(_AT_ONCE)
        try:
            async with aclosing(as_they_come(self._carry_out(action, slots) for action in acting)) as outcomes:
                async for outcome in outcomes:
                    yield outcome
        finally:
            if acting:
                self.picture.doubt(*MOVING)
        await self._conclude()
        if any(action.key.kind == "Service" for action in acting):
            await self._sweep()

    async def _declare(self) -> None:
        """Whose it is, and under which policy, is known before anything is there."""
        for project in self.scene.projects:
            if self.records.get(project, Record()).standing(self.scene.owner) is None and not self.desired.removed:
                standing = self._standing([])
                await self._remember(project, partial(Record.standing_so, standing=standing))

    async def _conclude(self) -> None:
        """The revision and policy of now; and nothing of an application that is gone, or of things that are."""
        shot = await self.picture.look(MOVING)
        there = {identity for identity, _ in shot.labelled}
        held = holdings(shot.labelled, self.records)
        owned = {key.namespace for key, holding in held.items() if holding.marks.owner == self.scene.owner}
        for project in self.scene.projects:
            mine = {key for key, each in held.items() if each.marks.owner == self.scene.owner and key.namespace == project}
            known = self.records.get(project, Record()).standing(self.scene.owner)
            standing = self._standing(mine.union(set(known.keys) & self.scene.manifests.keys() if known else ()))
            stays = project in owned or (not self.desired.removed and any(key.namespace == project for key in self.scene.manifests))
            await self._remember(project, partial(_concluded, there=there, standing=standing, stays=stays))

    def _standing(self, keys: Iterable[Key]) -> Standing:
        return Standing(self.scene.owner, self.desired.revision, self.desired.application.policy, tuple(sorted(keys)))

    async def _sweep(self) -> None:
        # With the images: those that came just now are as Git says.
        scene = await self.stage.at(self.desired, await self.picture.look(), self.records)
        for project in scene.projects & scene.shot.projects & self.records.keys():
            with suppress(Refused):
                await sweep(scene, project, self.picture.carrier(project))

    async def _remember(self, project: str, change: Callable[[Record], Record]) -> None:
        async with self.picture.carrier(project).changing:
            # Another application of the project may have written since; where somebody took it away, what was known counts.
            before = await self.picture.written(project) or self.records.get(project, Record())
            after = change(before)
            if after != before or (after == Record() and project in self.scene.shot.projects):
                await self.picture.remember(project, after)
            self.records[project] = after

    async def _carry_out(self, action: Action, slots: asyncio.Semaphore) -> Outcome:
        began = time.monotonic()
        outcome = Outcome(action.key, action.verb, "failed")
        company = self.companies.get(action.key)
        # Whoever waits for company must not take the place of who is waited for.
        async with slots if company is None else nullcontext():
            try:
                outcome = await self._act(action)
            except Unreachable as error:
                outcome = msgspec.structs.replace(outcome, message=error.message, unreachable=True)
            except DeclarationError as error:
                outcome = msgspec.structs.replace(outcome, message=str(error.faults[0]))
            except TrueupError as error:
                outcome = msgspec.structs.replace(outcome, message=_told(error), final=self._is_final(error))
            finally:
                if company is not None:
                    company.leave()
        return msgspec.structs.replace(outcome, seconds=round(time.monotonic() - began, 3))

    def _is_final(self, error: TrueupError) -> bool:
        """Whether what failed is not tried again: that would stop what runs once more, or the revision is to be rolled back for it."""
        rolls_back = self.desired.application.policy.rollback == "auto"
        return isinstance(error, GaveWay) or (rolls_back and isinstance(error, DidBadly))

    async def _act(self, action: Action) -> Outcome:
        scene = await self.stage.again(self.scene, action.key, self.records)
        done = Outcome(action.key, action.verb, "done")
        if action.key not in scene.manifests:
            return await self._leave(action, scene, done)
        ours = [each for each in scene.containers.get(action.key, ()) if each.marks.owner == scene.owner]
        if await settle(self.picture.engine, ours):
            # What an update left that was broken off is in order now: that may be what was to be done.
            scene = await self.stage.again(scene, action.key, self.records)
        look = look_at(scene, action.key)
        if look.same:
            return msgspec.structs.replace(done, version=look.version)
        if (look.seen != action.seen and not _broken_off(action, look)) or (look.seen and not look.mine and action.verb is not Verb.ADOPT):
            return _outdated(action)
        if look.refusal:
            raise Refused(look.refusal)
        if isinstance(look, ServiceLook) and look.service is not None and any(used not in scene.things for used in used_by(look.service)):
            # A network that was there when it was planned: the next plan makes it.
            return _outdated(action)
        if await settle(self.picture.engine, scene.containers.get(action.key, ())):
            # What an update left that was broken off is in order now, and no longer what was planned with.
            return await self._act(action) if action.verb is Verb.CREATE else _outdated(action)
        refuse_again(self.records.get(action.key.namespace, Record()), self.desired, look)
        try:
            note = await self._put(scene, look)
        except GaveWay as error:
            setback = setback_of(self.desired, look, error.message)
            await self._remember(action.key.namespace, lambda record: record.set_back(setback))
            await self._rejoin(action.key)
            raise
        return msgspec.structs.replace(done, message=note, version=await self._settle(action.key))

    async def _rejoin(self, key: Key) -> None:
        """Who shares namespaces of containers that were stopped and run again lost them: it is started again too."""
        lenders = {f"container:{each.id}" for each in self.scene.containers.get(key, ())}
        ours = [each for found in self.scene.containers.values() for each in found if each.marks.owner == self.scene.owner]
        for borrower in (each for each in ours if each.runs and not lenders.isdisjoint(each.lent)):
            with suppress(Refused):
                await self.picture.engine.post(f"/containers/{borrower.id}/restart")

    async def _put(self, scene: Scene, look: Look) -> str:
        """What is worth saying about it."""
        if isinstance(look, ServiceLook) and look.service is not None:
            maker = Maker(self.picture.engine, self.picture.carrier(look.key.namespace), scene, look.service)
            renewal = Renewal(self.picture.engine, self.picture.images, maker, look, self.companies.get(look.key))
            return await renewal.carry_out()
        if look.changes or not look.seen:
            await Provider(self.picture, scene).provide(look)
        return ""

    async def _settle(self, key: Key) -> str:
        """Labels say what was made now; of what is older, or was changed where it is, the record says it. The version of what is there."""
        scene = await self.stage.again(self.scene, key, self.records)
        manifest = scene.manifests[key]
        look = look_at(scene, key)
        spec = look.service.applied if isinstance(look, ServiceLook) and look.service else applied(manifest)
        marks = marks_of(self.desired, manifest, spec)
        await self._remember(key.namespace, lambda record: record.recovered(key))
        told = [each.marks for each in look.containers] if isinstance(look, ServiceLook) else [scene.things[key].marks]
        if look.ids and any(not _says(each, marks) for each in told):
            entry = Entry(key, look.ids, marks)
            await self._remember(key.namespace, lambda record: record.having(entry))
            return version_of(look.ids, marks)
        return look.version

    async def _leave(self, action: Action, scene: Scene, done: Outcome) -> Outcome:
        seen = seen_at(scene, action.key)
        owned = action.key in scene.owned
        if seen and (not owned or seen != action.seen):
            given = not owned and action.verb is Verb.UPDATE
            return done if given else _outdated(action)
        if keeps(self.desired, action.key):
            await self._release(action.key, scene)
        elif seen:
            await self._delete(action.key, scene)
            await self._remember(action.key.namespace, lambda record: record.lacking(action.key))
        return done

    async def _release(self, key: Key, scene: Scene) -> None:
        """Our mark goes; labels stay for as long as the thing does, so the record takes it back."""
        ids = tuple(each.id for each in scene.containers.get(key, ())) if key.kind == "Service" else ()
        if key in scene.things:
            ids = (scene.things[key].identity,)
        if ids:
            await self._remember(key.namespace, lambda record: record.having(Entry(key, ids, Marks())))

    async def _delete(self, key: Key, scene: Scene) -> None:
        engine = self.picture.engine
        if key.kind == "Service":
            there = scene.containers.get(key, ())
            # Without any of ours, somebody's own stand in their place.
            containers = [each for each in there if each.marks.owner == scene.owner] or there
            await asyncio.gather(*(discard(engine, each) for each in containers))
            return
        with suppress(Absent):
            await engine.delete(f"/{key.kind.lower()}s/{scene.things[key].body['Name']}")


def _told(error: TrueupError) -> str:
    """What went wrong, and what to do about it: an outcome has no other place for that."""
    return f"{error.message}; {error.hint}" if error.hint else error.message


def _concluded(record: Record, there: set[str], standing: Standing, stays: bool) -> Record:
    others = [each for each in record.standings if each.owner != standing.owner]
    left = record.still(there, {key for each in (*others, standing) for key in each.keys})
    return left.standing_so(standing) if stays else left.without(standing.owner)


def _says(marks: Marks, wanted: Marks) -> bool:
    """Whether a thing's own marks say what is to be said; the commit may be an older one."""
    return marks.owner == wanted.owner and marks.spec == wanted.spec


def _broken_off(action: Action, look: Look) -> bool:
    """Whether all that is there was made for this very action, when it was carried out before and not to its end."""
    made = isinstance(look, ServiceLook) and all(each.marks.digest == action.desired for each in look.containers)
    return action.verb is Verb.CREATE and look.mine and made


def _outdated(action: Action) -> Outcome:
    return Outcome(action.key, action.verb, "failed", message=_OUTDATED, outdated=True)
