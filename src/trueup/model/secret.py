"""A value that must never be shown."""

import hmac
from typing import Final

MASK: Final = "(secret)"


class Secret:
    """A value that prints, serialises and logs as ``(secret)``.

    ``identity`` says which secret it is without telling it: the object ids of the files that it came from, or the name under which the
    operator set it. Two secrets are equal when their identities are equal; a digest of an object counts the identity, never the value.
    """

    __slots__ = ("_value", "identity")

    def __init__(self, value: str, identity: str) -> None:
        self._value = value
        self.identity = identity

    def reveal(self) -> str:
        """The value itself. Only what writes to a target may ask for it."""
        return self._value

    def holds_the_same_as(self, other: "Secret") -> bool:
        """Whether both hold one value, wherever they came from."""
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, specification: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.identity == self.identity

    def __hash__(self) -> int:
        return hash(self.identity)

    def __reduce__(self) -> "tuple[type[Secret], tuple[str, str]]":
        return Secret, (MASK, self.identity)
