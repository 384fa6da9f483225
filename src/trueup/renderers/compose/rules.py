"""A table of paths such as ``services.*.ports`` -> what is done there, walked step by step beside the data."""

from collections.abc import Mapping
from typing import Generic, TypeVar

Action = TypeVar("Action")


class Rules(Generic[Action]):
    """The rules at one path and below it. ``*`` stands for every key and every item of a list."""

    __slots__ = ("_below", "action")

    def __init__(self, action: Action | None = None) -> None:
        self.action = action
        self._below: dict[str, Rules[Action]] = {}

    @classmethod
    def of(cls, table: Mapping[str, Action]) -> "Rules[Action]":
        """The rules of a table of paths."""
        root = cls()
        for path, action in table.items():
            node = root
            for step in path.split("."):
                node = node._below.setdefault(step, cls())
            node.action = action
        return root

    def below(self, step: str) -> "Rules[Action] | None":
        """The rules one step further; None where there are none, also deeper."""
        return self._below.get(step) or self._below.get("*")

    def at(self, *steps: str) -> "Rules[Action]":
        """The rules after some steps, which must lead somewhere."""
        node = self
        for step in steps:
            found = node.below(step)
            assert found is not None
            node = found
        return node
