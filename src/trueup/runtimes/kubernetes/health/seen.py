"""An object as the API server gives it, asked for what health needs. It may hold anything: what has another shape than it should counts as
not there."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from trueup.model.manifest import Body

LONGEST: Final = 500
"""Characters of a reason."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One entry of ``status.conditions``. ``status`` is ``True``, ``False``, ``Unknown``, or empty when there is no such condition."""

    status: str = ""
    reason: str = ""
    message: str = ""
    since: datetime | None = None
    generation: int = 0

    @property
    def true(self) -> bool:
        """It is there and true."""
        return self.status == "True"

    @property
    def false(self) -> bool:
        """It is there and false."""
        return self.status == "False"

    @property
    def words(self) -> str:
        """The reason and the message in one line; whatever is there of them."""
        return line(": ".join(each for each in (self.reason, self.message) if each))


_NO_CONDITION: Final = Condition()


class Seen:
    """One object at one moment."""

    def __init__(self, body: Body, now: datetime) -> None:
        self.body = body
        self.now = now

    @property
    def kind(self) -> str:
        """``Kind.group``; ``Kind`` alone in the core group."""
        group = self.text("apiVersion").rpartition("/")[0]
        kind = self.text("kind")
        return f"{kind}.{group}" if group else kind

    @cached_property
    def conditions(self) -> dict[str, Condition]:
        """By type; of several of one type, the last."""
        return {text_of(each.get("type")): _condition(each) for each in self.items("status", "conditions")}

    def condition(self, kind: str) -> Condition:
        """The condition of this type, or one that says nothing."""
        return self.conditions.get(kind, _NO_CONDITION)

    def at(self, *path: str) -> Any:
        """The value there, or None."""
        value: Any = self.body
        for step in path:
            if not isinstance(value, dict):
                return None
            value = value.get(step)
        return value

    def text(self, *path: str) -> str:
        """The text there, or an empty one."""
        return text_of(self.at(*path))

    def number(self, *path: str, default: int = 0) -> int:
        """The whole number there, or the default."""
        return number_of(self.at(*path), default)

    def items(self, *path: str) -> list[Body]:
        """The objects in the list there."""
        return list(objects(self.at(*path)))


def text_of(value: object) -> str:
    """A text, or an empty one."""
    return value if isinstance(value, str) else ""


def number_of(value: object, default: int = 0) -> int:
    """A whole number, or the default."""
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def objects(value: object) -> Iterator[Body]:
    """The objects of a list; none when it is no list."""
    return (each for each in value if isinstance(each, dict)) if isinstance(value, list) else iter(())


def moment(value: object) -> datetime | None:
    """An RFC 3339 time, or None."""
    try:
        at = datetime.fromisoformat(text_of(value))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def line(text: str) -> str:
    """The text in one line, cut when it is long."""
    joined = " ".join(text.split())
    return joined if len(joined) <= LONGEST else f"{joined[:LONGEST]}.."


def _condition(entry: Body) -> Condition:
    return Condition(
        text_of(entry.get("status")),
        text_of(entry.get("reason")),
        text_of(entry.get("message")),
        moment(entry.get("lastTransitionTime")),
        number_of(entry.get("observedGeneration")),
    )
