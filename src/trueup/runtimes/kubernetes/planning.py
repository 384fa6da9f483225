"""What was tried out and what is there become actions. Pure: everything was asked before."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from trueup.model.application import Removal
from trueup.model.contracts import Desired, Owner
from trueup.model.errors import Refused
from trueup.model.manifest import Body, Key
from trueup.model.plan import Action, Change, Effect, Verb
from trueup.runtimes.kubernetes.comparing import changes_between, declared_changes, seen_of
from trueup.runtimes.kubernetes.concealing import concealed, shown
from trueup.runtimes.kubernetes.fields import MANAGER, Fields, managers, minus, paths, values
from trueup.runtimes.kubernetes.hook_actions import Hooks
from trueup.runtimes.kubernetes.hooks import Merging, Removing, declared_annotations, options_of
from trueup.runtimes.kubernetes.live import LiveObject
from trueup.runtimes.kubernetes.marks import Marks, metadata, owner_in
from trueup.runtimes.kubernetes.order import in_ranks, places, removals
from trueup.runtimes.kubernetes.taking import added_by_hand, going, hands, set_by, taken_fields
from trueup.runtimes.kubernetes.trial import Trial

# How a server says that somebody may not do something; what a policy or a quota forbids is said in other words.
_NO_RIGHT: Final = re.compile(r'is forbidden: User "')
_ROLLING: Final = frozenset({"Deployment", "StatefulSet", "DaemonSet"})


def refuse(trials: Iterable[Trial], application: str) -> None:
    """Raises Refused with everything that the server will not take, each with its file and line."""
    refused = [trial for trial in trials if trial.refusal]
    if not refused:
        return
    told = "; ".join(f"{each.wanted.key} ({each.wanted.place}) was refused: {each.refusal}" for each in refused)
    message = told if len(refused) == 1 else f"{len(refused)} objects were refused: {told}"
    where = refused[0].wanted.place if len(refused) == 1 else f"application {application}"
    lacks_rights = all(_NO_RIGHT.search(each.refusal) for each in refused)
    hint = "nothing was changed; grant it by a role of the cluster" if lacks_rights else "nothing was changed; correct it in Git"
    raise Refused(message, key=str(refused[0].wanted.key), where=where, hint=hint)


def actions_of(desired: Desired, trials: Sequence[Trial], leaving: Sequence[LiveObject], marks: Marks) -> Iterator[Action]:
    """One action for each object: what is desired first, then what leaves, in the reverse of the order in which it came."""
    strict = desired.application.policy.self_heal == "strict"
    standing = places({trial.wanted.key: trial.wanted.body for trial in trials})
    kept = [_Planning(trial, marks, strict).action(standing[trial.wanted.key].wave) for trial in trials if not trial.wanted.options.is_hook]
    running = [trial for trial in trials if trial.wanted.options.is_hook]
    others = {each.wanted.key: marks.owner.name_of(other) for each in running if (other := _other(each.live, marks))}
    hooks = Hooks({trial.wanted.key: trial.wanted for trial in running}, standing, desired.removed, others)
    made = [*(place.wave for place in standing.values()), *hooks.first.values()]
    going = list(_leaving(desired, made, leaving, marks.owner))
    last = max((*made, *(action.wave for action in going)), default=0)
    moving = [action for action in (*kept, *going) if action.verb is not Verb.UNCHANGED]
    run = list(hooks.actions(moving, last))
    keys = {action.key for action in (*moving, *run)}
    for action in (each for group in in_turn([*kept, *run, *going]) for each in group):
        after = tuple(key for key in standing[action.key].after if key in keys) if action.key in standing else ()
        yield msgspec.structs.replace(action, after=after) if after else action


def in_turn(actions: Iterable[Action]) -> list[list[Action]]:
    """Those of one wave in the order in which they are carried out: what is made by kind, then in the reverse order what goes."""
    every = list(actions)
    made, going = ([action for action in every if bool(action.desired) is wanted] for wanted in (True, False))
    return [*in_ranks(made, _key), *in_ranks(going, _key, reverse=True)]


def _key(action: Action) -> Key:
    return action.key


class _Planning:
    """One object's action in the making."""

    def __init__(self, trial: Trial, marks: Marks, strict: bool) -> None:
        self.trial = trial
        self.wanted = trial.wanted
        self.live = trial.live
        self.owner = marks.owner
        self.marks = marks
        self.ours = marks.claims(trial.live.body) if trial.live else False
        self.strict = strict and trial.wanted.options.merging is not Merging.MERGE
        self.known = trial.wanted.known_values

    def action(self, wave: int) -> Action:
        changes = self._changes()
        verb = self._verb(changes)
        other = _other(self.live, self.marks)
        return Action(
            verb=verb,
            key=self.wanted.key,
            wave=wave,
            effect=self._effect(verb, changes),
            verified=not (self.trial.unverified or self.trial.immutable) or verb is Verb.UNCHANGED,
            reason=self._reason(verb, changes, other),
            changes=changes if verb is not Verb.UNCHANGED else self._by_hand(),
            origin=self.wanted.manifest.origin,
            seen=seen_of(self.live, self.owner, self.wanted),
            desired=self.wanted.digest,
            owner=self.owner.name_of(other) if other else "",
            foreign=verb is Verb.ADOPT,
            allowed=self.wanted.may_be_replaced,
        )

    def _verb(self, changes: tuple[Change, ...]) -> Verb:
        if self.live is None:
            return Verb.CREATE
        if self.wanted.options.merging is Merging.IF_NOT_PRESENT:
            return Verb.UNCHANGED
        if not self.ours:
            return Verb.ADOPT
        if not changes:
            return Verb.UNCHANGED
        return Verb.REPLACE if self.trial.immutable else Verb.UPDATE

    def _changes(self) -> tuple[Change, ...]:
        if self.live is None:
            return changes_between(None, self.wanted.body, self.known)
        if self.trial.result is None:
            return declared_changes(self.wanted, self.live)
        found = () if self.trial.is_settled else changes_between(self.live.body, self.trial.result, self.known)
        taken = taken_fields(self.wanted, self.live, self.trial.declared, self.strict)
        told = {change.path for change in found}
        return found + tuple(each for each in self._losses(taken, self.live, self.trial.declared) if each.path not in told)

    def _by_hand(self) -> tuple[Change, ...]:
        """What a hand added beside what Git says: shown, and left unless the policy is strict."""
        if self.live is None or self.trial.result is None or self.strict:
            return ()
        declared = self.trial.declared
        return self._losses(added_by_hand(self.live, declared), self.live, declared)

    def _losses(self, taken: Fields, live: LiveObject, declared: Fields) -> tuple[Change, ...]:
        """What goes once these fields are ours."""
        body = concealed(live.body, self.known)
        lost = values(going(taken, live, declared, self.wanted.take_over), body)
        return tuple(Change(path, shown(value), None) for path, value in lost.items() if path not in self.trial.put_back)

    def _reason(self, verb: Verb, changes: tuple[Change, ...], other: Owner | None) -> str:
        parts = {
            Verb.CREATE: "it is not there",
            Verb.ADOPT: self.owner.reason_to_adopt(other),
            Verb.REPLACE: f"{self.trial.immutable} cannot change",
            Verb.UNCHANGED: "added by hand, left as it is" if self._by_hand() else "",
        }
        told = [parts.get(verb, ""), self.trial.unverified and f"not tried out: {self.trial.unverified}"]
        if verb in (Verb.UPDATE, Verb.ADOPT):
            told += [f"takes {path} from {who}" for who, path in self._from_whom(changes).items()]
            told += [f"takes over what {who} set" for who in self._taken_over()]
            told += [f"takes away what {who} added" for who in self._undone()]
        return "; ".join(each for each in told if each)

    def _from_whom(self, changes: tuple[Change, ...]) -> dict[str, str]:
        """Who set the fields that are taken: manager -> the fields."""
        if self.live is None or self.trial.result is None:
            return {}
        after = {(each.manager, each.operation, each.subresource): each.fields_v1 for each in managers(self.trial.result)}
        losses: dict[str, list[str]] = {}
        for each in self.live.managers:
            lost = minus(each.fields_v1, after.get((each.manager, each.operation, each.subresource), {}))
            taken = sorted(path for path in paths(lost, self.live.body) if _among(path, changes))
            if taken and not each.ours:
                losses.setdefault(each.manager, []).extend(taken)
        return {who: ", ".join(dict.fromkeys(fields)) for who, fields in losses.items()}

    def _taken_over(self) -> list[str]:
        """The managers of whose fields nothing stays theirs."""
        return [name for name in sorted(set(self.wanted.take_over)) if self.live and set_by(self.live, {name})]

    def _undone(self) -> list[str]:
        """Whose additions go."""
        if self.live is None or self.trial.result is None or not self.strict:
            return []
        return sorted(hands(self.live, self.trial.declared))

    def _effect(self, verb: Verb, changes: Iterable[Change]) -> Effect:
        rolls = self.wanted.key.group == "apps" and self.wanted.key.kind in _ROLLING
        moved = any(change.path.startswith(("spec.template.", "spec.template[")) for change in changes)
        return Effect.RESTART if verb in (Verb.UPDATE, Verb.ADOPT) and rolls and moved else Effect.NONE


def _leaving(desired: Desired, made: Sequence[int], leaving: Sequence[LiveObject], owner: Owner) -> Iterator[Action]:
    """What is no longer in Git. An opt-out counts as it stood there, not as somebody put it on the live object."""
    bodies = {live.key: _as_declared(live) for live in leaving}
    waves = removals(bodies, made)
    policy = desired.application.policy
    keeps = not policy.prune or (desired.removed and policy.removal is Removal.KEEP)
    for live in reversed(leaving):
        options = options_of(bodies[live.key])
        asked = options.delete if desired.removed else options.prune
        verb, reason = Verb.DELETE, "leaves Git"
        if keeps or asked is Removing.KEEP:
            verb, reason = Verb.UPDATE, "leaves Git, stays"
        elif asked is Removing.CONFIRM:
            verb, reason = Verb.UNCHANGED, "leaves Git, and stays until a person deletes it"
        yield Action(verb=verb, key=live.key, wave=waves[live.key], reason=reason, seen=seen_of(live, owner, None))


def _as_declared(live: LiveObject) -> Body:
    return {**live.body, "metadata": {**metadata(live.body), "annotations": declared_annotations(live.body, MANAGER)}}


def _among(path: str, changes: Iterable[Change]) -> bool:
    return any(path == each.path or path.startswith((f"{each.path}.", f"{each.path}[")) for each in changes)


def _other(live: LiveObject | None, marks: Marks) -> Owner | None:
    """Whose an object is, when it is another application's."""
    return owner_in(live.body) if live and not marks.claims(live.body) else None
