"""What a manifest asks for beside its content: our annotation, and those of Argo CD, Flux and Helm that mean the same.

At a live object a wish counts only when it came from Git: when it is among the fields that we own, not when a hand put it there.
"""

from typing import Final

from trueup.model.manifest import Body
from trueup.runtimes.kubernetes.fields import paths
from trueup.runtimes.kubernetes.live import LiveObject
from trueup.runtimes.kubernetes.marks import REPLACE, annotations
from trueup.runtimes.kubernetes.paths import below

_ARGO: Final = "argocd.argoproj.io/sync-options"
_FLUX: Final = "kustomize.toolkit.fluxcd.io/"
_HELM: Final = "helm.sh/resource-policy"


def may_be_replaced(body: Body) -> bool:
    """Whether the object allows to be deleted and made anew."""
    said = annotations(body)
    return said.get(REPLACE) == "allowed" or _is(said, "force", "enabled") or bool(_options(said) & {"Replace=true", "Force=true"})


def is_left_alone(body: Body) -> bool:
    """Whether the object is not to be written to at all."""
    said = annotations(body)
    return _is(said, "reconcile", "disabled") or _is(said, "ssa", "ignore")


def is_made_once(body: Body) -> bool:
    """Whether the object is only to be made where it is not there."""
    return _is(annotations(body), "ssa", "ifnotpresent")


def may_lack_its_kind(body: Body) -> bool:
    """Whether it is no fault that the cluster does not know the object's kind yet."""
    return "SkipDryRunOnMissingResource=true" in _options(annotations(body))


def stays(live: LiveObject, removed: bool) -> bool:
    """Whether the object stays when it leaves Git, or when its whole application does (``removed``)."""
    ours = paths(live.ours, live.body)
    said = {name: value for name, value in annotations(live.body).items() if below("metadata.annotations", name) in ours}
    options = _options(said)
    if "Prune=false" in options or _is(said, "prune", "disabled") or _is(said, "ssa", "ignore") or said.get(_HELM) == "keep":
        return True
    return removed and "Delete=false" in options


def _options(said: dict[str, str]) -> set[str]:
    return {option.strip() for option in str(said.get(_ARGO, "")).split(",")}


def _is(said: dict[str, str], name: str, value: str) -> bool:
    return str(said.get(_FLUX + name, "")).lower() == value
