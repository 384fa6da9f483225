"""Relative paths in a model -> paths from the repository's root, seen from the folder that they are relative to."""

import re
from collections.abc import Callable
from typing import Any, Final

from trueup.renderers.compose.files import inside
from trueup.renderers.compose.located import Row, Table, Within
from trueup.renderers.compose.rules import Rules

Resolve = Callable[[Any, str], Any]

_ELSEWHERE: Final = re.compile(r"[/~]|[A-Za-z]:[\\/]|\\\\")
"""How an absolute path begins, on Linux or Windows, and one of whoever runs Compose."""
_REMOTE: Final = ("https://", "http://", "git://", "ssh://", "github.com/", "git@")


def is_remote(context: str) -> bool:
    """Whether a build context is fetched from elsewhere by a builder, or is no path at all."""
    return "://" in context or context.startswith(_REMOTE)


def resolve_paths(holder: Any, folder: str, rules: "Rules[Resolve] | None" = None) -> None:
    """Put paths from the root in the place of relative ones, everywhere in a model. Absolute ones are paths of the host and stay."""
    rules = rules or _RULES
    for step in list(holder) if isinstance(holder, Table) else range(len(holder)):
        found = rules.below(str(step))
        if found is None:
            continue
        if found.action:
            holder[step] = found.action(holder[step], folder)
        elif isinstance(holder[step], Table | Row):
            resolve_paths(holder[step], folder, found)


def _path(value: Any, folder: str) -> Any:
    if not isinstance(value, str) or isinstance(value, Within) or not value or _ELSEWHERE.match(value):
        return value
    return inside(folder, value)


def _context(value: Any, folder: str) -> Any:
    if isinstance(value, str) and (is_remote(value) or value.startswith("service:")):
        return value
    return _path(value, folder)


def _mount(value: Any, folder: str) -> Any:
    if isinstance(value, Table) and value.get("type") == "bind" and "source" in value:
        value["source"] = _path(value["source"], folder)
    return value


def _volume(value: Any, folder: str) -> Any:
    """A volume of the local driver may be a bind mount in disguise."""
    options = value.get("driver_opts") if isinstance(value, Table) and value.get("driver") == "local" else None
    if isinstance(options, Table) and options.get("o") == "bind" and "device" in options:
        options["device"] = _path(options["device"], folder)
    return value


_RULES: Final[Rules[Resolve]] = Rules.of(
    {
        "services.*.build.context": _context,
        "services.*.build.additional_contexts.*": _context,
        "services.*.build.ssh.*": _path,
        "services.*.env_file.*.path": _path,
        "services.*.label_file.*": _path,
        "services.*.extends.file": _path,
        "services.*.develop.watch.*.path": _path,
        "services.*.volumes.*": _mount,
        "configs.*.file": _path,
        "secrets.*.file": _path,
        "volumes.*": _volume,
    }
)
