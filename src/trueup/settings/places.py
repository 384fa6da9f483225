"""What does not fit in the settings -> the error that says so, with the line or the variable where it was written."""

import difflib
import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from trueup.model.errors import SettingsError
from trueup.settings.nouns import RepositorySettings, SecretSource, Settings, SourceSettings
from trueup.toolkit.wording import mending, told

HINT: Final = "the page `Settings` of the documentation says what may stand there"

_HEADER: Final = re.compile(r"\s*\[\[?\s*([^\]]+?)\s*\]")


class Places:
    """Finds where a faulty setting was written."""

    def __init__(self, text: str, file: str, from_environment: Mapping[str, Mapping[str, Any]]) -> None:
        self._text = text
        self._file = file
        self._from_environment = from_environment

    def told(self, error: ErrorDetails, words: str) -> tuple[str, str, str]:
        """Message, place and hint; never the value, which may be a secret."""
        path = error["loc"]
        if error["type"] == "extra_forbidden":
            return f"unknown key `{path[-1]}`", self._place(path), _suggestion(path)
        name = ".".join(str(step) for step in path)
        return told(f"`{name}`" if name else "", words), self._place(path or ("listen",)), mending(error)

    def _place(self, path: tuple[int | str, ...]) -> str:
        for variable, layer in self._from_environment.items():
            value: Any = layer
            for step in path:
                value = value.get(step) if isinstance(value, dict) else value
            if value is not None:
                return f"environment {variable}"
        return f"{self._file}:{line}" if (line := _line_of(self._text, path)) else self._file


def _line_of(text: str, path: tuple[int | str, ...]) -> int:
    """The line that sets a path, or that opens the nearest table around it; 0 when it cannot be told."""
    names = [str(step) for step in path if isinstance(step, str)]
    wanted = next((step for step in path if isinstance(step, int)), 0)
    table: list[str] = []
    seen, nearest = -1, 0
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = [part.strip().strip("\"'") for part in header[1].split(".")]
            seen += bool(names) and line.strip().startswith("[[") and table[0] == names[0]
            nearest = number if table == names[: len(table)] and seen in (-1, wanted) else nearest
            continue
        key = line.partition("=")[0].strip().strip("\"'")
        if names and [*table, *key.split(".")] == names and seen in (-1, wanted):
            return number
    return nearest


def table_of(annotation: object) -> type[BaseModel] | None:
    """The table that a field is, when it is one."""
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _suggestion(path: tuple[int | str, ...]) -> str:
    within: dict[str, type[BaseModel]] = {"repositories": RepositorySettings, "sources": SourceSettings, "secrets": SecretSource}
    model = within.get(str(path[0]), Settings) if len(path) > 1 else Settings
    for step in path[:-1]:
        field = model.model_fields.get(str(step))
        model = (table_of(field.annotation) if field else None) or model
    close = difflib.get_close_matches(str(path[-1]), model.model_fields, 1)
    return f"did you mean `{close[0]}`?" if close else f"known are {', '.join(model.model_fields)}"


def fault_of(faults: list[tuple[str, str, str]]) -> SettingsError:
    """One error of all faults, each with message, place and hint."""
    if len(faults) == 1:
        return SettingsError(faults[0][0], where=faults[0][1], hint=faults[0][2] or HINT)
    # In the order of the file, as an editor walks through it.
    faults.sort(key=lambda fault: [int(part) if part.isdecimal() else 0 for part in fault[1].rsplit(":", 1)])
    lines = (f"  {where}: {message}" + (f" ({hint})" if hint else "") for message, where, hint in faults)
    return SettingsError("\n".join([f"the settings have {len(faults)} faults", *lines]))
