"""Objects as a server gives them, with every value that is secret as one that never shows."""

import base64
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Final

from trueup.model.manifest import Body, Manifest, digest_of
from trueup.model.secret import MASK, Secret
from trueup.runtimes.kubernetes.marks import annotations

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
# Shorter ones are words like `true`: hiding them everywhere would hide everything.
_SHORTEST = 4


def is_secret(body: Body) -> bool:
    """Whether an object is a Secret."""
    return body.get("kind") == "Secret" and body.get("apiVersion") == "v1"


def secrets_in(value: Any) -> Iterator[Secret]:
    """Every secret that a manifest holds."""
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from secrets_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from secrets_in(each)


def concealed(body: Body, known: frozenset[str] = frozenset()) -> Body:
    """The object with secrets in place of the values of a Secret, of what kubectl noted of it, and of values that are known as secret."""
    hidden = _without(body, known) if known else dict(body)
    if is_secret(body):
        for part in ("data", "stringData"):
            if isinstance(body.get(part), dict):
                hidden[part] = {name: secret_of(value) for name, value in body[part].items()}
    if LAST_APPLIED in annotations(body) and (known or is_secret(body)):
        metadata = hidden["metadata"]
        noted = {**metadata["annotations"], LAST_APPLIED: secret_of(annotations(body)[LAST_APPLIED])}
        hidden["metadata"] = {**metadata, "annotations": noted}
    return hidden


def secret_of(value: object) -> Secret:
    """A value as a secret that is equal to another one of the same value."""
    return value if isinstance(value, Secret) else Secret(str(value), f"value {digest_of(value)}")


def known_values(body: Body) -> frozenset[str]:
    """The values that a manifest calls secret, beside those of a Secret's own fields."""
    if is_secret(body) or not _holds_secret(body):
        return frozenset()
    return frozenset(each.reveal() for each in secrets_in(body) if len(each.reveal()) >= _SHORTEST)


def masked(text: str, manifests: Iterable[Manifest]) -> str:
    """Words of a program, in which a secret that it was given by one of these does not show."""
    for value in _values(manifests) if text else ():
        text = text.replace(value, MASK)
    return text


def shown(value: Any) -> Any:
    """A value for people: secrets as ``(secret)``."""
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, dict):
        return {name: shown(each) for name, each in value.items()}
    return [shown(each) for each in value] if isinstance(value, list) else value


def _without(value: Any, known: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {name: _without(each, known) for name, each in value.items()}
    if isinstance(value, list):
        return [_without(each, known) for each in value]
    return secret_of(value) if isinstance(value, str) and value in known else value


def _holds_secret(value: Any) -> bool:
    """Quicker than to look for all of them: most objects hold none."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return isinstance(value, Secret)
    return any(not isinstance(each, str) and _holds_secret(each) for each in value)


def _values(manifests: Iterable[Manifest]) -> list[str]:
    """Every secret as it was written, and as a program gets it; the longest first, since one may be a part of another."""
    found = {secret.reveal() for manifest in manifests for secret in secrets_in(manifest.body)}
    for value in tuple(found):
        with suppress(ValueError):
            found.add(base64.b64decode(value, validate=True).decode())
    # Words are told in one line each, with single spaces.
    lines = {" ".join(line.split()) for value in found for line in (*value.splitlines(), value)}
    return sorted((value for value in found | lines if len(value) >= _SHORTEST), key=len, reverse=True)
