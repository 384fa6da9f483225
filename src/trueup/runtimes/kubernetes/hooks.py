"""What a manifest asks for beside its content: waves, hooks and options, in our own words and in those of Argo CD, Helm and Flux.

Only what stands in Git counts. Give ``options_of`` a manifest; of a live object give it no more than ``declared_annotations``, because
everybody who may edit an object may write an annotation.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from trueup.model.contracts import Objection
from trueup.model.manifest import WAVE_ANNOTATION, Body

REPLACE_ANNOTATION: Final = "trueup.dev/replace"
PRUNE_ANNOTATION: Final = "trueup.dev/prune"
STAYS: Final = "disabled"

_ARGO: Final = "argocd.argoproj.io/"
_FLUX: Final = "kustomize.toolkit.fluxcd.io/"
_HELM: Final = "helm.sh/"


class Phase(StrEnum):
    """When a hook runs; the words are Argo CD's. ``Skip``: it is not applied at all."""

    PRE_SYNC = "PreSync"
    SYNC = "Sync"
    POST_SYNC = "PostSync"
    SYNC_FAIL = "SyncFail"
    PRE_DELETE = "PreDelete"
    POST_DELETE = "PostDelete"
    SKIP = "Skip"


class DeletePolicy(StrEnum):
    """When a hook is deleted; the words are Argo CD's."""

    HOOK_SUCCEEDED = "HookSucceeded"
    HOOK_FAILED = "HookFailed"
    BEFORE_HOOK_CREATION = "BeforeHookCreation"


class Occasion(StrEnum):
    """Which syncs a hook runs in: Helm knows a first one from all that follow, Argo CD does not."""

    ALWAYS = "always"
    INSTALL = "install"
    UPGRADE = "upgrade"


class Merging(StrEnum):
    """What becomes of an object that is there; the words are Flux's.

    ``Override``: fields that we declare are ours. ``Merge``: what a hand changed stays. ``IfNotPresent``: it is only ever made.
    ``Ignore``: it is not applied.
    """

    OVERRIDE = "Override"
    MERGE = "Merge"
    IF_NOT_PRESENT = "IfNotPresent"
    IGNORE = "Ignore"


class Removing(StrEnum):
    """What becomes of an object that would be deleted: it goes, it stays, or it goes once a person says so."""

    DELETE = "delete"
    KEEP = "keep"
    CONFIRM = "confirm"


@dataclass(frozen=True, slots=True)
class Options:
    """What one manifest asks for.

    ``phases`` are empty for an object that is no hook. ``prune``: when it leaves Git; ``delete``: when its application does.
    ``recreate``: it may be deleted and made anew where a field cannot be changed. ``skip_dry_run``: it is no fault that the cluster does
    not know its kind yet. ``prune_last``: it is pruned after all others.
    """

    wave: int = 0
    phases: frozenset[Phase] = frozenset()
    delete_policies: frozenset[DeletePolicy] = frozenset({DeletePolicy.BEFORE_HOOK_CREATION})
    occasion: Occasion = Occasion.ALWAYS
    prune: Removing = Removing.DELETE
    delete: Removing = Removing.DELETE
    recreate: bool = False
    skip_dry_run: bool = False
    create_namespace: bool = False
    prune_last: bool = False
    merging: Merging = Merging.OVERRIDE

    @property
    def is_hook(self) -> bool:
        """Whether it runs, instead of being kept true."""
        return bool(self.phases)

    @property
    def runs_in_a_sync(self) -> bool:
        """Whether it is a hook of a sync that goes well."""
        return bool(self.phases & {Phase.PRE_SYNC, Phase.SYNC, Phase.POST_SYNC})

    @property
    def runs_around_a_removal(self) -> bool:
        """Whether it is a hook of a deletion."""
        return bool(self.phases & {Phase.PRE_DELETE, Phase.POST_DELETE})

    @property
    def is_applied(self) -> bool:
        """Whether it is written at all."""
        return self.merging is not Merging.IGNORE and self.phases != {Phase.SKIP}


PLAIN: Final = Options()

_HELM_PHASES: Final[Mapping[str, Phase]] = {
    "pre-install": Phase.PRE_SYNC,
    "pre-upgrade": Phase.PRE_SYNC,
    "post-install": Phase.POST_SYNC,
    "post-upgrade": Phase.POST_SYNC,
    "pre-delete": Phase.PRE_DELETE,
    "post-delete": Phase.POST_DELETE,
    # There is no rollback but a new revision, and tests are run by hand.
    **dict.fromkeys(("pre-rollback", "post-rollback", "test", "test-success", "test-failure"), Phase.SKIP),
}
_HELM_POLICIES: Final[Mapping[str, DeletePolicy]] = {
    "hook-succeeded": DeletePolicy.HOOK_SUCCEEDED,
    "hook-failed": DeletePolicy.HOOK_FAILED,
    "before-hook-creation": DeletePolicy.BEFORE_HOOK_CREATION,
}
_HELM_DEFINITION: Final = "crd-install"
"""Helm 2 called definitions hooks; they are objects like any other."""

_KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    PRUNE_ANNOTATION: (STAYS, "enabled"),
    REPLACE_ANNOTATION: ("allowed",),
    f"{_ARGO}hook": tuple(Phase),
    f"{_ARGO}hook-delete-policy": tuple(DeletePolicy),
    f"{_HELM}hook": (*_HELM_PHASES, _HELM_DEFINITION),
    f"{_HELM}hook-delete-policy": tuple(_HELM_POLICIES),
}
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,9}")
_REMOVING: Final = {"false": Removing.KEEP, "confirm": Removing.CONFIRM}


def options_of(body: Body) -> Options:
    """What a manifest asks for. What is not understood counts as not said; ``objections_of`` tells it."""
    said = annotations_of(body)
    if not any(name.startswith((_ARGO, _FLUX, _HELM)) or name in (WAVE_ANNOTATION, REPLACE_ANNOTATION, PRUNE_ANNOTATION) for name in said):
        return PLAIN
    options = _argo_options(said)
    flux = {name: said.get(_FLUX + name, "").lower() for name in ("prune", "force", "reconcile")}
    stays = STAYS in (flux["prune"], said.get(PRUNE_ANNOTATION)) or said.get(f"{_HELM}resource-policy", "").strip().lower() == "keep"
    recreate = said.get(REPLACE_ANNOTATION) == "allowed" or options.get("Force") == "true" or flux["force"] == "enabled"
    merging = Merging.IGNORE if flux["reconcile"] == "disabled" else _merging(said)
    return Options(
        wave=_wave(said),
        phases=_phases(said),
        delete_policies=_delete_policies(said) or PLAIN.delete_policies,
        occasion=_occasion(said),
        prune=Removing.KEEP if stays else _REMOVING.get(options.get("Prune", ""), Removing.DELETE),
        delete=Removing.KEEP if stays else _REMOVING.get(options.get("Delete", ""), Removing.DELETE),
        recreate=recreate,
        skip_dry_run=options.get("SkipDryRunOnMissingResource") == "true",
        create_namespace=options.get("CreateNamespace") == "true",
        prune_last=options.get("PruneLast") == "true",
        merging=merging,
    )


def objections_of(body: Body) -> list[Objection]:
    """What is said and not understood: nobody would obey it, and nobody would be told."""
    said = annotations_of(body)
    found = [
        Objection(("metadata", "annotations", name), f"`{said[name]}` is no whole number", f'write `{name}: "1"`')
        for name in (WAVE_ANNOTATION, f"{_ARGO}sync-wave", f"{_HELM}hook-weight")
        if name in said and _number(said[name]) is None
    ]
    for name, known in _KNOWN.items():
        unknown = [word for word in _words(said, name) if word not in known]
        found += [Objection(("metadata", "annotations", name), f"`{word}` is not known", f"write {', '.join(known)}") for word in unknown]
    return found


def declared_annotations(live: Body, manager: str) -> dict[str, str]:
    """The annotations of a live object that this field manager applied: they stood in Git when it last did."""
    managed = _mapping(live, "metadata").get("managedFields")
    owned: set[str] = set()
    for entry in managed if isinstance(managed, list) else ():
        if isinstance(entry, dict) and entry.get("manager") == manager and entry.get("operation") == "Apply":
            owned.update(str(name).removeprefix("f:") for name in _mapping(entry, "fieldsV1", "f:metadata", "f:annotations"))
    return {name: value for name, value in annotations_of(live).items() if name in owned}


def annotations_of(body: Body) -> dict[str, str]:
    """The annotations of an object that are texts."""
    return {name: value for name, value in _mapping(body, "metadata", "annotations").items() if isinstance(value, str)}


def _argo_options(said: Mapping[str, str]) -> dict[str, str]:
    options = (word.partition("=") for word in _words(said, f"{_ARGO}sync-options"))
    return {name.strip(): value.strip().lower() for name, _, value in options}


def _phases(said: Mapping[str, str]) -> frozenset[Phase]:
    """Argo CD's hooks; Helm's count where there are none. Skip counts where nothing else is said."""
    phases = {Phase(word) for word in _words(said, f"{_ARGO}hook") if word in list(Phase)}
    phases = phases or {_HELM_PHASES[word] for word in _words(said, f"{_HELM}hook") if word in _HELM_PHASES}
    return frozenset(phases - {Phase.SKIP} or phases)


def _delete_policies(said: Mapping[str, str]) -> frozenset[DeletePolicy]:
    argo = {DeletePolicy(word) for word in _words(said, f"{_ARGO}hook-delete-policy") if word in list(DeletePolicy)}
    helm = {_HELM_POLICIES[word] for word in _words(said, f"{_HELM}hook-delete-policy") if word in _HELM_POLICIES}
    return frozenset(argo | helm)


def _occasion(said: Mapping[str, str]) -> Occasion:
    if _words(said, f"{_ARGO}hook"):
        return Occasion.ALWAYS
    named = {word.partition("-")[2] for word in _words(said, f"{_HELM}hook") if _HELM_PHASES.get(word) in (Phase.PRE_SYNC, Phase.POST_SYNC)}
    return Occasion(named.pop()) if len(named) == 1 else Occasion.ALWAYS


def _merging(said: Mapping[str, str]) -> Merging:
    asked = said.get(f"{_FLUX}ssa", "").strip().lower()
    return next((merging for merging in Merging if merging.lower() == asked), Merging.OVERRIDE)


def _wave(said: Mapping[str, str]) -> int:
    """Ours, else Argo CD's, else the weight of a Helm hook."""
    names = [WAVE_ANNOTATION, f"{_ARGO}sync-wave", *([f"{_HELM}hook-weight"] if f"{_HELM}hook" in said else [])]
    numbers = (_number(said[name]) for name in names if name in said)
    return next((number for number in numbers if number is not None), 0)


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text.strip()) else None


def _words(said: Mapping[str, str], name: str) -> list[str]:
    return [word for each in said.get(name, "").split(",") if (word := each.strip())]


def _mapping(value: object, *path: str) -> dict[str, Any]:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
