"""One action carried out: looked at again, written under the object's own lock, and told."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from trueup.model.contracts import Desired
from trueup.model.health import State
from trueup.model.manifest import Body, Key
from trueup.model.plan import Action, Verb
from trueup.model.run import Outcome
from trueup.runtimes.kubernetes.client.discovery import Resource
from trueup.runtimes.kubernetes.client.request import Answer, Reason
from trueup.runtimes.kubernetes.cluster import Cluster, Lock
from trueup.runtimes.kubernetes.comparing import changes_between, seen_of
from trueup.runtimes.kubernetes.fields import our_fields
from trueup.runtimes.kubernetes.hooks import PRUNE_ANNOTATION, DeletePolicy, Merging
from trueup.runtimes.kubernetes.live import LiveObject
from trueup.runtimes.kubernetes.marks import OBJECT, OWNER, PART_OF, REVISION, RUN, Marks, annotations, labels, metadata, owner_in
from trueup.runtimes.kubernetes.paths import pointer
from trueup.runtimes.kubernetes.refusals import cannot_be_tried, is_outgrown, words
from trueup.runtimes.kubernetes.taking import in_the_way, set_by, taken_fields, transfer
from trueup.runtimes.kubernetes.views import View
from trueup.runtimes.kubernetes.wanted import Wanted

# Each status write of a busy controller moves the lock: a few in a row are bad luck, more are not.
_TRIES: Final = 8
_GONE_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.1
_MARKS: Final[dict[str, tuple[str, ...]]] = {"labels": (PART_OF, OWNER), "annotations": (OBJECT, REVISION, PRUNE_ANNOTATION)}


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an action; ``message`` is empty when it is done."""

    message: str = ""
    live: LiveObject | None = None
    outdated: bool = False


_DELETED_WHEN: Final = {State.HEALTHY: DeletePolicy.HOOK_SUCCEEDED, State.DEGRADED: DeletePolicy.HOOK_FAILED}
FASTER: Final = Result("others write to it all the time, and faster than Trueup can", outdated=True)
OUTDATED: Final = Result("it changed since the plan was made", outdated=True)


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes for one application."""

    cluster: Cluster
    view: View
    marks: Marks
    desired: Desired
    state: Callable[[Body], State]

    async def carry_out(self, action: Action, resource: Resource, wanted: Wanted | None) -> tuple[Outcome, LiveObject | None]:
        """The outcome, and the object as it is now. Raises Unreachable."""
        start = time.perf_counter()
        if (wanted.digest if wanted else "") != action.desired:
            result = OUTDATED
        elif wanted is None:
            result = await self._let_go(action, resource)
        elif wanted.options.is_hook:
            result = await (self.clear(resource, wanted) if action.verb is Verb.DELETE else self._run(resource, wanted))
        else:
            result = await self._write(action, resource, wanted)
        version = result.live.version if result.live else ""
        outcome = Outcome(
            action.key,
            action.verb,
            "failed" if result.message else "done",
            result.message,
            time.perf_counter() - start,
            version if not result.message else "",
            outdated=result.outdated,
        )
        if result.live is not None:
            self.view.wrote(resource, result.live)
        elif not result.message:
            self.view.went(resource, action.key)
        return outcome, result.live

    # ------------------------------------------------------------------ what Git wants

    async def _write(self, action: Action, resource: Resource, wanted: Wanted) -> Result:
        if action.verb is Verb.CREATE:
            return await self._create(action, resource, wanted)
        for _ in range(_TRIES):
            live = await self.view.current(resource, action.key)
            if live is None or seen_of(live, self.marks.owner, wanted) != action.seen:
                return await self._already(action, resource, wanted, live)
            result = (
                await self._replace(resource, wanted, live) if action.verb is Verb.REPLACE else await self._update(resource, wanted, live)
            )
            if result is not None:
                return result
        return FASTER

    async def _create(self, action: Action, resource: Resource, wanted: Wanted) -> Result:
        answer = await self.cluster.write(resource, wanted.configuration(self.desired.revision, None), Lock())
        if answer.says(Reason.CONFLICT, Reason.ALREADY_EXISTS):
            live = await self.cluster.look(resource, action.key.namespace, action.key.name)
            return await self._already(action, resource, wanted, live)
        return self._told(answer, wanted)

    async def _update(self, resource: Resource, wanted: Wanted, live: LiveObject) -> Result | None:
        """None when the object moved meanwhile."""
        taken = await self._take(resource, wanted, live)
        if taken is None or isinstance(taken, Result):
            return taken
        configuration = wanted.configuration(self.desired.revision, live)
        answer = await self.cluster.write(resource, configuration, Lock.of(taken))
        blocking = in_the_way(taken, answer.refusal) if answer.refusal and wanted.options.merging is not Merging.MERGE else {}
        if blocking or is_outgrown(answer, taken):
            answer = await self.cluster.edit(resource, taken, transfer(taken, blocking))
            if not answer.refusal:
                answer = await self.cluster.write(resource, configuration, Lock.of(LiveObject(answer.object)))
        return None if answer.says(Reason.CONFLICT, Reason.NOT_FOUND) else self._told(answer, wanted)

    async def _take(self, resource: Resource, wanted: Wanted, live: LiveObject) -> LiveObject | Result | None:
        """Make fields ours that others set and that are to go with the apply; the object as it is then."""
        strict = self.desired.application.policy.self_heal == "strict"
        if self.marks.claims(live.body) and not strict and not set_by(live, wanted.take_over):
            return live
        tried = await self.cluster.try_out(resource, wanted.configuration(self.desired.revision, live))
        if cannot_be_tried(tried):
            return live  # the plan could not say what would go, so nothing does
        if tried.refusal:
            return live if in_the_way(live, tried.refusal) or is_outgrown(tried, live) else self._told(tried, wanted)
        taken = taken_fields(wanted, live, our_fields(tried.object), strict)
        if not taken:
            return live
        answer = await self.cluster.edit(resource, live, transfer(live, taken))
        if answer.says(Reason.CONFLICT, Reason.NOT_FOUND):
            return None
        return self._told(answer, wanted) if answer.refusal else LiveObject(answer.object)

    async def _replace(self, resource: Resource, wanted: Wanted, live: LiveObject) -> Result | None:
        if not live.leaving:
            answer = await self.cluster.delete(resource, live)
            if answer.says(Reason.CONFLICT):
                return None
            if answer.refusal and not answer.says(Reason.NOT_FOUND):
                return self._told(answer, wanted)
        left = await self._gone(resource, live)
        if left is not None:
            return Result(_waiting(left))
        answer = await self.cluster.write(resource, wanted.configuration(self.desired.revision, None), Lock())
        return OUTDATED if answer.says(Reason.CONFLICT) else self._told(answer, wanted)

    # ------------------------------------------------------------------ hooks

    async def _run(self, resource: Resource, wanted: Wanted) -> Result:
        """Make a hook, once in each run; the one of an earlier run goes before."""
        for _ in range(_TRIES):
            live = await self.view.current(resource, wanted.key)
            if live is None:
                body = wanted.configuration(self.desired.revision, None)
                body["metadata"]["annotations"][RUN] = self.desired.run
                answer = await self.cluster.write(resource, body, Lock())
                if not answer.says(Reason.CONFLICT):
                    return self._told(answer, wanted)
                continue
            if not self._may_take_the_place_of(live):
                return Result("it exists and is not ours: a hook of that name cannot run")
            if annotations(live.body).get(RUN) == self.desired.run:
                return Result(live=live)
            gone = await self._delete(resource, live)
            if gone is not None and gone.message:
                return gone
            self.view.went(resource, wanted.key)
        return FASTER

    def _may_take_the_place_of(self, live: LiveObject) -> bool:
        """Whether a hook's earlier run is ours, or was of an application of this repository: one that still declares it holds the plan.

        What is no hook's run is left to its application, whenever it came.
        """
        owner = owner_in(live.body)
        of_ours = owner is not None and owner.repository == self.marks.owner.repository
        return self.marks.claims(live.body) or (of_ours and RUN in annotations(live.body))

    async def clear(self, resource: Resource, wanted: Wanted) -> Result:
        """Delete a hook that succeeded, or failed, and then does not want to stay. One of another run is another's, unless it is of a
        failure: for that nobody waited."""
        live = await self.view.current(resource, wanted.key)
        if live is None:
            return Result()
        own = annotations(live.body).get(RUN) == self.desired.run or not wanted.options.runs_in_a_sync
        policy = _DELETED_WHEN.get(self.state(live.body))
        if own and policy in wanted.options.delete_policies:
            return await self.dismiss(resource, wanted.key)
        return Result(live=live)

    async def dismiss(self, resource: Resource, key: Key) -> Result:
        """Delete an object of ours, whatever became of it."""
        for _ in range(_TRIES):
            live = await self.view.current(resource, key)
            if live is None or not self.marks.holds(live.body):
                return Result()
            gone = await self._delete(resource, live)
            if gone is not None:
                self.view.went(resource, key)
                return gone
        return FASTER

    async def _already(self, action: Action, resource: Resource, wanted: Wanted, live: LiveObject | None) -> Result:
        """Whether somebody was here before with this very action: a walk that was interrupted between a write and its report."""
        if live is None:
            # A replace that was interrupted between its two halves goes on; anything else was deleted by hand.
            return await self._create(action, resource, wanted) if action.verb is Verb.REPLACE else OUTDATED
        if not self.marks.claims(live.body) or live.leaving:
            return OUTDATED
        tried = await self.cluster.try_out(resource, wanted.configuration(self.desired.revision, live))
        if tried.refusal or changes_between(live.body, tried.object, wanted.known_values):
            return OUTDATED
        return Result(live=live)

    def _told(self, answer: Answer, wanted: Wanted) -> Result:
        if answer.refusal is None:
            return Result(live=LiveObject(answer.object))
        return Result(refused(wanted, words(answer.refusal, wanted.body)))

    # ------------------------------------------------------------------ what leaves Git

    async def _let_go(self, action: Action, resource: Resource) -> Result:
        act = self._delete if action.verb is Verb.DELETE else self._unmark
        for _ in range(_TRIES):
            live = await self.view.current(resource, action.key)
            if live is None:
                return Result()
            if action.verb is not Verb.DELETE and not self.marks.claims(live.body):
                return Result(live=live)
            if seen_of(live, self.marks.owner, None) != action.seen or not self.marks.holds(live.body):
                return OUTDATED
            result = await act(resource, live)
            if result is not None:
                return result
        return FASTER

    async def _delete(self, resource: Resource, live: LiveObject) -> Result | None:
        if not live.leaving:
            answer = await self.cluster.delete(resource, live)
            if answer.says(Reason.CONFLICT):
                return None
            if answer.refusal and not answer.says(Reason.NOT_FOUND):
                return Result(f"could not be deleted: {answer.refusal.message}")
        left = await self._gone(resource, live)
        return Result(_waiting(left)) if left is not None else Result()

    async def _unmark(self, resource: Resource, live: LiveObject) -> Result | None:
        """The object as it is, and nobody's."""
        there = {"labels": labels(live.body), "annotations": annotations(live.body)}
        marks = [(part, name) for part, names in _MARKS.items() for name in names if name in there[part]]
        operations: list[dict[str, object]] = [{"op": "remove", "path": pointer(("metadata", part, name))} for part, name in marks]
        managed = [each for each in metadata(live.body).get("managedFields") or () if not _is_ours(each)]
        operations.append({"op": "replace", "path": "/metadata/managedFields", "value": managed or [{}]})
        answer = await self.cluster.edit(resource, live, operations)
        if answer.says(Reason.CONFLICT, Reason.NOT_FOUND):
            return None
        if answer.refusal:
            return Result(f"could not be let go of: {answer.refusal.message}")
        return Result(live=LiveObject(answer.object))

    async def _gone(self, resource: Resource, live: LiveObject) -> LiveObject | None:
        """Wait a little until an object that was deleted is gone; what is left of it otherwise."""
        return await until_gone(lambda: self.view.current(resource, live.key), live.uid)


async def until_gone(look: Callable[[], Awaitable[LiveObject | None]], uid: str) -> LiveObject | None:
    """Look until an object of this identity is gone; what is left of it after a while."""
    end = time.monotonic() + _GONE_SECONDS
    pause = _LOOK_SECONDS / 4
    while True:
        left = await look()
        if left is None or left.uid != uid:
            return None
        if time.monotonic() > end:
            return left
        await asyncio.sleep(pause)
        pause = min(pause * 2, 1.0)


def refused(wanted: Wanted, why: str) -> str:
    """The message of an outcome, which stands beside the object's key."""
    return f"refused ({wanted.place}): {why}"


def _waiting(live: LiveObject) -> str:
    """Why an object that was deleted is still there."""
    finalizers = metadata(live.body).get("finalizers") or ()
    conditions = (live.body.get("status") or {}).get("conditions") or ()
    told = [
        str(each.get("message")) for each in conditions if each.get("status") == "True" and str(each.get("type")).startswith("Namespace")
    ]
    what = f"waits for {', '.join(map(str, finalizers))}" if finalizers else "; ".join(told) or "waits for the server"
    return f"it is being deleted and still there: it {what}"


def _is_ours(managed: dict[str, object]) -> bool:
    return managed.get("manager") == "trueup"
