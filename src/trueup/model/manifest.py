"""One desired object: its key, what it says, and where in Git that was said."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import total_ordering
from typing import Any

import msgspec

from trueup.model.errors import UsageError
from trueup.model.secret import Secret

# What a YAML or JSON document holds. Nothing more can be said of it before its kind is known.
Body = dict[str, Any]

_NAME_DIGITS = 10
ANY_NAMESPACE = "*"
WAVE_ANNOTATION = "trueup.dev/wave"
OWN_GROUPS = "trueup.dev"


@total_ordering
class Key:
    """Names one object at a target; reads ``Kind[.group]/[namespace/]name``.

    The group is left out for the core group and for our own groups (``*.trueup.dev``), so ``Service/web`` of a host and
    ``Service/shop/web`` of a cluster read alike.
    """

    __slots__ = ("_text", "group", "kind", "name", "namespace")

    def __init__(self, kind: str, name: str, group: str = "", namespace: str = "") -> None:
        self.kind = kind
        self.group = "" if group == OWN_GROUPS or group.endswith("." + OWN_GROUPS) else group
        self.namespace = namespace
        self.name = name
        of_group = f".{self.group}" if self.group else ""
        in_namespace = f"{namespace}/" if namespace else ""
        self._text = f"{kind}{of_group}/{in_namespace}{name}"

    @classmethod
    def parse(cls, text: str) -> "Key":
        """Read what ``str`` wrote. Raises UsageError."""
        head, _, rest = text.partition("/")
        kind, _, group = head.partition(".")
        namespace, _, name = rest.rpartition("/")
        if not kind or not name or "/" in namespace:
            raise UsageError(f"`{text}` is not an object's key", hint="write Kind[.group]/[namespace/]name, such as Service/web")
        return cls(kind, name, group, namespace)

    @classmethod
    def of(cls, body: Body) -> "Key":
        """The key of an object that has ``apiVersion``, ``kind`` and ``metadata.name``."""
        group = str(body["apiVersion"]).rpartition("/")[0]
        metadata = body["metadata"]
        return cls(str(body["kind"]), str(metadata["name"]), group, str(metadata.get("namespace") or ""))

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Key({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and other._text == self._text

    def __lt__(self, other: "Key") -> bool:
        return self._text < other._text

    def __hash__(self) -> int:
        return hash(self._text)


def named(body: Body) -> Body:
    """The object with a name. One that says only how its name begins (``generateName``, as hooks of Argo CD do) is named after its content.

    So the same content is the same object. What may hold a secret is not named so: its content could be guessed from the name.
    """
    metadata = body.get("metadata")
    beginning = metadata.get("generateName") if isinstance(metadata, dict) and not metadata.get("name") else None
    if not isinstance(metadata, dict) or not isinstance(beginning, str) or not beginning or body.get("kind") == "Secret":
        return body
    rest = {name: value for name, value in metadata.items() if name != "generateName"}
    return {**body, "metadata": {**rest, "name": f"{beginning}{digest_of(body)[:_NAME_DIGITS]}"}}


class Origin(msgspec.Struct, frozen=True, rename="camel"):
    """Where Git says it. ``file`` is relative to the repository's root; ``line`` counts from 1, 0 when it is not known."""

    file: str = ""
    line: int = 0
    commit: str = ""


def meant(text: str, known: Collection[Key], application: str) -> Key:
    """Which object of an application somebody means: by its whole key, or by ``Kind/name`` where that is enough. Raises UsageError."""
    wanted = Key.parse(text)
    near = [wanted] if wanted in known else [each for each in known if each.kind == wanted.kind and each.name == wanted.name]
    if len(near) == 1:
        return near[0]
    if not near:
        hint = f"it has {', '.join(sorted(map(str, known))[:10])}" if known else "nothing of it is known"
        raise UsageError(f"`{application}` has no object `{text}`", hint=hint)
    raise UsageError(f"`{text}` may be {' or '.join(sorted(map(str, near)))}", hint="write the whole key")


@dataclass(frozen=True, slots=True)
class Manifest:
    """One desired object.

    ``sources`` are the files and folders of the repository that the object takes along (``Runtime.references``), each with its
    object id, and ``+x`` behind that of a program; their content is read from ``Desired.tree``. ``wave`` comes from the annotation
    ``trueup.dev/wave``.
    """

    key: Key
    body: Body
    origin: Origin
    wave: int = 0
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """A digest of what is desired, sources included; a secret counts by its identity."""
        return digest_of({"body": self.body, "sources": dict(self.sources)})


def digest_of(value: object) -> str:
    """A digest of plain data, 32 hexadecimal digits; the order of keys does not matter, a secret counts by its identity."""
    encoded = msgspec.json.encode(value, enc_hook=_identity, order="sorted")
    return hashlib.sha256(encoded).hexdigest()[:32]


def _identity(value: object) -> object:
    if isinstance(value, Secret):
        return {"secret": value.identity}
    if isinstance(value, Key):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} has no digest")
