"""Lists in which each thing may be said once: of two ports, mounts or variables that mean the same, the later one counts."""

from collections.abc import Callable
from typing import Any, Final

from trueup.model.errors import DeclarationError
from trueup.renderers.compose.located import Place, Row, Table
from trueup.renderers.compose.mounts import parse_mount
from trueup.renderers.compose.rules import Rules
from trueup.renderers.compose.scalars import text_of

Naming = Callable[[Any], object]


def keep_last(value: Any, rules: "Rules[Naming] | None" = None) -> None:
    """Remove what is said again later, everywhere in a model."""
    rules = rules or _RULES
    if isinstance(value, Table):
        for key, each in value.items():
            below = rules.below(key)
            if below and isinstance(each, Row) and below.action:
                value[key] = _once(each, below.action)
            elif below and isinstance(each, Table):
                keep_last(each, below)


def _once(row: Row, naming: Naming) -> Row:
    kept: dict[object, tuple[Any, Place]] = {}
    for number, (each, place) in enumerate(row.placed()):
        name = naming(each)
        kept[("", name) if isinstance(name, str | tuple) else number] = (each, place)
    once = Row(row.place)
    for each, place in kept.values():
        once.add(each, place)
    return once


def _before_equals(value: Any) -> object:
    return value.partition("=")[0] if isinstance(value, str) else None


def _mount(value: Any) -> object:
    if isinstance(value, Table):
        return value.get("target")
    try:
        return parse_mount(value, Place(""))["target"] if isinstance(value, str) else None
    except DeclarationError:
        return None


def _device(value: Any) -> object:
    if isinstance(value, Table):
        return value.get("target")
    parts = value.split(":") if isinstance(value, str) else [None]
    return parts[0] if len(parts) == 1 else parts[1]


def _file_in(folder: str) -> Naming:
    def name(value: Any) -> object:
        if isinstance(value, Table):
            return value.get("target") or f"{folder}/{value.get('source')}"
        return f"{folder}/{value}"

    return name


def _port(value: Any) -> object:
    if isinstance(value, Table):
        fields = (value.get("host_ip", "0.0.0.0"), value.get("published"), value.get("target"), value.get("protocol", "tcp"))
        return tuple(map(str, fields))
    return text_of(value)


def _env_file(value: Any) -> object:
    return value.get("path") if isinstance(value, Table) else value


_PAIRS: Final = (
    "annotations build.args build.additional_contexts build.platform build.tags build.labels cap_add cap_drop deploy.labels dns dns_opt "
    "dns_search environment labels links networks.*.aliases networks.*.link_local_ips profiles sysctls tmpfs"
)
_RULES: Final[Rules[Naming]] = Rules.of(
    {
        **{f"services.*.{path}": _before_equals for path in _PAIRS.split()},
        "services.*.devices": _device,
        "services.*.configs": _file_in(""),
        "services.*.secrets": _file_in("/run/secrets"),
        "services.*.env_file": _env_file,
        "services.*.expose": text_of,
        "services.*.ports": _port,
        "services.*.volumes": _mount,
        "networks.*.labels": _before_equals,
        "networks.*.ipam.options": _before_equals,
    }
)
