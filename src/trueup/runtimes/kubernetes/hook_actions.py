"""Hooks become actions of the one plan: around the waves of a sync or of a removal, and for the case that the run fails. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from trueup.model.manifest import Body, Key
from trueup.model.plan import Action, Verb, When
from trueup.runtimes.kubernetes.hooks import DeletePolicy, Phase
from trueup.runtimes.kubernetes.order import Place, hook_waves
from trueup.runtimes.kubernetes.wanted import Wanted


@dataclass(frozen=True, slots=True)
class Hooks:
    """The hooks that take part in a run.

    ``standing``: the places of all that has one in a sync. ``others``: what stands under the name of a hook and is another application's,
    with the name of that.
    """

    wanted: Mapping[Key, Wanted]
    standing: Mapping[Key, Place]
    removed: bool
    others: Mapping[Key, str]

    @property
    def first(self) -> dict[Key, int]:
        """The waves of hooks that are known before it is known what goes."""
        if self.removed:
            return hook_waves(self._bodies, Phase.PRE_DELETE, 0)
        return {key: self.standing[key].wave for key in self.wanted if key in self.standing}

    def actions(self, moving: Sequence[Action], last: int) -> Iterator[Action]:
        """What runs, when anything else does: a hook of a removal when something is deleted. ``last``: the last wave of all else."""
        if not any(action.verb is Verb.DELETE or not self.removed for action in moving):
            return
        waves = self.first
        if self.removed:
            waves = {**hook_waves(self._bodies, Phase.POST_DELETE, last + 1), **waves}
        yield from (self._run(key, wave, When.ALWAYS) for key, wave in waves.items())
        behind = max((last, *waves.values())) + 1
        failing = {} if self.removed else hook_waves(self._bodies, Phase.SYNC_FAIL, behind)
        yield from (self._run(key, wave, When.FAILED) for key, wave in failing.items())
        behind = max((behind, *failing.values())) + 1
        yield from (_clear(self.wanted[key], behind) for key in waves if _wants_to_go(self.wanted[key]))

    def _run(self, key: Key, wave: int, when: When) -> Action:
        """A hook has nothing to be compared with: it is made anew in each run that changes something."""
        wanted = self.wanted[key]
        phases = ", ".join(sorted(wanted.options.phases))
        return Action(
            verb=Verb.CREATE,
            key=key,
            when=when,
            wave=wave,
            verified=False,
            reason=f"runs as a hook: {phases}" if when is When.ALWAYS else f"runs as a hook if this run fails: {phases}",
            origin=wanted.manifest.origin,
            desired=wanted.digest,
            owner=self.others.get(key, ""),
        )

    @property
    def _bodies(self) -> dict[Key, Body]:
        return {key: wanted.body for key, wanted in self.wanted.items()}


def _clear(wanted: Wanted, wave: int) -> Action:
    """What wants to go at the end of a run that fails; where it goes well, its end takes it away by itself."""
    policies = ", ".join(sorted(wanted.options.delete_policies - {DeletePolicy.BEFORE_HOOK_CREATION}))
    return Action(
        verb=Verb.DELETE,
        key=wanted.key,
        when=When.FAILED,
        wave=wave,
        reason=f"a hook that goes when the run ends: {policies}",
        origin=wanted.manifest.origin,
        desired=wanted.digest,
    )


def _wants_to_go(wanted: Wanted) -> bool:
    return bool(wanted.options.delete_policies & {DeletePolicy.HOOK_SUCCEEDED, DeletePolicy.HOOK_FAILED})
