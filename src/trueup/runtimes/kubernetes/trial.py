"""What the server says would come of an apply: its own dry run. Nothing is changed."""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from trueup.model.manifest import Body
from trueup.runtimes.kubernetes.client.discovery import Resource
from trueup.runtimes.kubernetes.client.request import Answer, Reason
from trueup.runtimes.kubernetes.cluster import Cluster
from trueup.runtimes.kubernetes.fields import Fields, our_fields, paths, values
from trueup.runtimes.kubernetes.hooks import Merging
from trueup.runtimes.kubernetes.live import LiveObject
from trueup.runtimes.kubernetes.parent import group_kind
from trueup.runtimes.kubernetes.refusals import cannot_be_tried, immutable_fields, is_immutable, is_outgrown, mentions_last_version, words
from trueup.runtimes.kubernetes.taking import going, in_the_way, removal, taken_fields
from trueup.runtimes.kubernetes.wanted import Wanted
from trueup.toolkit.difference import resolve

_CREATED: Final = 201
_NOT_FOUND: Final = 404
# What is still written to after so many looks is as good as it gets.
_LOOKS: Final = 4


class Unlooked(Enum):
    """It is not known whether there is such an object: the server tells it by the way."""

    UNLOOKED = "unlooked"


UNLOOKED: Final = Unlooked.UNLOOKED


@dataclass(frozen=True, slots=True)
class Trial:
    """One object tried out.

    ``live``: as it is, None when it is not there. ``result``: as it would be. Without one it was not or could not be tried: ``unverified``
    says why, ``immutable`` names fields that can never change, ``refusal`` says why the server will not take it; ``unserved`` is true when
    it does not serve the kind, or not yet. ``put_back`` are the fields that would go with their managers, and that the server sets again by
    itself: its defaults.
    """

    wanted: Wanted
    live: LiveObject | None
    result: Body | None = None
    unverified: str = ""
    immutable: str = ""
    refusal: str = ""
    unserved: bool = False
    put_back: frozenset[str] = frozenset()

    @property
    def is_settled(self) -> bool:
        """Whether nothing was asked, for nothing moved since it was as Git says."""
        return self.live is not None and self.result is self.live.body

    @property
    def declared(self) -> Fields:
        """What would be ours."""
        if self.is_settled and self.live is not None:
            return self.live.ours
        return our_fields(self.result) if self.result is not None else {}


@dataclass(frozen=True, slots=True)
class Trials:
    """Tries objects of one application out. ``coming``: the namespaces and kinds (``Kind.group``) that its own plan makes first."""

    cluster: Cluster
    revision: str
    coming: frozenset[str] = frozenset()
    strict: bool = False

    async def of(self, wanted: Wanted, live: LiveObject | Unlooked | None) -> Trial:
        """Try one out. Raises Unreachable."""
        resource = wanted.resource
        if f"kind {group_kind(wanted.key)}" in self.coming:
            known = live if isinstance(live, LiveObject) else None
            what = f"its version {wanted.body.get('apiVersion')}" if known else f"its kind {group_kind(wanted.key)}"
            return Trial(wanted, known, unverified=f"{what} is made by this very plan")
        if resource is None:
            return _of_unknown_kind(wanted)
        if f"namespace {wanted.key.namespace}" in self.coming:
            return Trial(wanted, None, unverified=f"its namespace {wanted.key.namespace} is made by this very plan")
        trial = await self._asked(wanted, resource, live)
        for _ in range(_LOOKS):
            complete = await self._with_defaults(trial, resource)
            if complete is not None:
                return complete
            trial = await self._asked(wanted, resource, UNLOOKED)
        return trial

    async def _asked(self, wanted: Wanted, resource: Resource, live: LiveObject | Unlooked | None) -> Trial:
        """What would come of it, beside the very state of the object of which it would: controllers may write between two questions."""
        looked, known = (False, None) if isinstance(live, Unlooked) else (True, live)
        looks = 0
        while True:
            answer = await self.cluster.try_out(resource, wanted.configuration(self.revision, known))
            if answer.status == _CREATED:
                return Trial(wanted, None, answer.object)
            if looks == _LOOKS or (_is_of(answer, known) if looked else answer.refusal and not _may_be_in_the_way(answer)):
                return self._read(wanted, known, answer)
            looks, looked, known = looks + 1, True, await self.cluster.look(resource, wanted.key.namespace, wanted.key.name)
            if _is_of(answer, known) and (known is None or wanted.ignored(known) is None):
                return self._read(wanted, known, answer)

    async def _with_defaults(self, trial: Trial, resource: Resource) -> Trial | None:
        """Who makes an object owns its defaults too: of what would go, the server says what stays all the same. None when it moved."""
        wanted, live = trial.wanted, trial.live
        if live is None or trial.result is None:
            return trial
        declared = our_fields(trial.result)
        gone = going(taken_fields(wanted, live, declared, self.strict), live, declared, wanted.take_over)
        answer = await self.cluster.try_edit(resource, live, removal(gone, live)) if gone else None
        if answer is not None and answer.says(Reason.CONFLICT):
            return None
        if answer is None or answer.refusal:
            return trial
        there = answer.object
        stays = frozenset(path for path, value in values(gone, live.body).items() if resolve(there, path) == (True, value))
        return replace(trial, put_back=stays)

    def _read(self, wanted: Wanted, live: LiveObject | None, answer: Answer) -> Trial:
        if answer.refusal is None:
            return Trial(wanted, live, answer.object)
        if answer.status == _NOT_FOUND and not answer.refusal.reason:
            self.cluster.discovery.forget()
            return Trial(wanted, live, refusal=f"the cluster does not serve the kind {group_kind(wanted.key)}", unserved=True)
        if live is not None and is_immutable(answer):
            return Trial(wanted, live, immutable=immutable_fields(answer.refusal))
        if live is not None and is_outgrown(answer, live):
            return Trial(wanted, live, unverified=f"it was last applied as {live.applied_as}, which does not have all of its fields")
        if cannot_be_tried(answer):
            return Trial(wanted, live, unverified="an admission webhook cannot be asked without effect")
        if live is not None and wanted.options.merging is not Merging.MERGE and (blocking := in_the_way(live, answer.refusal)):
            what = ", ".join(sorted(paths(blocking, live.body)))
            return Trial(wanted, live, unverified=f"{what}, added by hand, stands in the way and goes")
        return Trial(wanted, live, refusal=words(answer.refusal, wanted.body))


def _is_of(answer: Answer, live: LiveObject | None) -> bool:
    """Whether an answer is about the object in this very state. A refusal is about what was asked."""
    if answer.refusal is not None:
        return True
    return live is not None and live.resource_version == LiveObject(answer.object).resource_version


def _may_be_in_the_way(answer: Answer) -> bool:
    """Whether a refusal may have to do with what is there."""
    return is_immutable(answer) or cannot_be_tried(answer) or answer.says(Reason.INVALID) or mentions_last_version(answer)


def _of_unknown_kind(wanted: Wanted) -> Trial:
    what = f"the kind {group_kind(wanted.key)} in {wanted.body.get('apiVersion')}"
    if wanted.options.skip_dry_run:
        return Trial(wanted, None, unverified=f"the cluster does not know {what}, which the object allows")
    return Trial(wanted, None, refusal=f"the cluster does not know {what}")
