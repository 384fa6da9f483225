"""What Git wants of each object, and what is said to the server for it."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from trueup.model.application import Ignore
from trueup.model.contracts import Desired
from trueup.model.errors import Refused
from trueup.model.manifest import Body, Key, Manifest
from trueup.model.secret import Secret
from trueup.runtimes.kubernetes.client.discovery import Resource
from trueup.runtimes.kubernetes.concealing import is_secret, known_values, secret_of
from trueup.runtimes.kubernetes.hooks import Options, options_of
from trueup.runtimes.kubernetes.ignoring import Ignored, either, ignored_fields, kept, scaled_fields
from trueup.runtimes.kubernetes.live import SERVER_KEPT, LiveObject
from trueup.runtimes.kubernetes.marks import Marks, annotations, labels, metadata


@dataclass(frozen=True)
class Wanted:
    """One desired object, its kind as the cluster knows it (None: it does not), and the rules for what is left alone in it."""

    key: Key
    body: Body
    manifest: Manifest
    resource: Resource | None
    marks: Marks
    rules: tuple[Ignore, ...] = ()
    settled: bool = False
    """Whether Git says of replicas what it said when the object was last written, so that another number is left alone."""
    take_over: tuple[str, ...] = ()
    """The managers whose fields are taken over as a whole."""
    served: bool = True
    """Whether the cluster serves the kind; one that this very plan makes it does not yet."""

    @cached_property
    def digest(self) -> str:
        """The manifest's digest."""
        return self.manifest.digest

    @property
    def replicas(self) -> str:
        """The number of replicas that Git names; empty when it names none."""
        specification = self.body.get("spec")
        number = specification.get("replicas") if isinstance(specification, dict) else None
        return str(number) if isinstance(number, int) else ""

    @cached_property
    def options(self) -> Options:
        """What the manifest asks for beside its content."""
        return options_of(self.body)

    @cached_property
    def known_values(self) -> frozenset[str]:
        """The values that it calls secret, beside those of a Secret's own fields."""
        return known_values(self.body)

    @property
    def place(self) -> str:
        """Where Git says it."""
        origin = self.manifest.origin
        return f"{origin.file}:{origin.line}" if origin.line else origin.file

    @property
    def may_be_replaced(self) -> bool:
        """Whether the object itself allows to be made anew."""
        return self.options.recreate

    def ignored(self, live: LiveObject | None) -> Ignored | None:
        """What is left alone in the object as it is."""
        ignored = ignored_fields(self.key, self.rules, live)
        return either(ignored, scaled_fields(live)) if live and self.settled else ignored

    def configuration(self, revision: str, live: LiveObject | None) -> Body:
        """What is applied: the manifest with our marks, and without what is left alone."""
        named = dict(metadata(self.body))
        named["labels"] = {**labels(self.body), **self.marks.labels}
        named["annotations"] = {**annotations(self.body), **self.marks.annotations(self.body, revision)}
        said = {**self.body, "metadata": named}
        ignored = self.ignored(live) if live else None
        return kept(said, live, ignored) if live and ignored else said


def completed(manifest: Manifest, resource: Resource | None, namespace: str) -> tuple[Key, Body]:
    """The key and the body that is applied, in the namespace that the kind's scope asks for. What only a server may say is left out."""
    named: dict[str, Any] = {name: value for name, value in metadata(manifest.body).items() if name not in SERVER_KEPT}
    if resource is not None and not resource.namespaced:
        named.pop("namespace", None)
    elif resource is not None and not named.get("namespace"):
        named["namespace"] = namespace
    left_out = {"status"} | ({"rules"} if _is_aggregated(manifest.body) else set())
    body = {**{name: value for name, value in manifest.body.items() if name not in left_out}, "metadata": named}
    if is_secret(body) and "stringData" in body:
        body = _with_data(body)
    return Key.of(body), body


def _is_aggregated(body: Body) -> bool:
    """Whether the cluster fills in the rules of a role, whatever it was given."""
    return body.get("kind") == "ClusterRole" and bool(body.get("aggregationRule"))


def _with_data(body: Body) -> Body:
    """A Secret whose ``stringData`` is said as ``data``: the server never tells the former, so it could not be compared, nor taken back."""
    data = dict(body.get("data") or {})
    for name, value in (body["stringData"] or {}).items():
        secret = value if isinstance(value, Secret) else secret_of(value)
        data[name] = Secret(base64.b64encode(secret.reveal().encode()).decode(), secret.identity)
    return {**{name: value for name, value in body.items() if name != "stringData"}, "data": data}


def distinct(desired: Desired, wanted: Iterable[Wanted]) -> dict[Key, Wanted]:
    """By key. Raises Refused when two manifests are the same object."""
    found: dict[Key, Wanted] = {}
    twice: list[Wanted] = []
    for each in wanted:
        twice += [each] if each.key in found else []
        found.setdefault(each.key, each)
    if twice:
        message = "; ".join(f"{each.key} is declared twice ({found[each.key].place} and {each.place})" for each in twice)
        raise Refused(message, key=str(twice[0].key), where=f"application {desired.application.name}", hint="keep one of them")
    return found


def settled(wanted: Wanted) -> Wanted:
    """The same, with nothing new in Git on its replicas."""
    return replace(wanted, settled=True)
