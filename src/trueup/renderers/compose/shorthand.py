"""Every short form of a Compose file -> its long form: ports, mounts, dependencies, builds, networks, secrets, env files and the like."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from trueup.model.errors import DeclarationError, Fault
from trueup.renderers.compose.located import Faults, Place, Row, Table, is_true
from trueup.renderers.compose.merging import mapping, sequence, started
from trueup.renderers.compose.mounts import parse_device, parse_mount
from trueup.renderers.compose.ports import parse_ports
from trueup.renderers.compose.rules import Rules
from trueup.renderers.compose.scalars import text_of

Rewrite = Callable[[Any, Place], Any]

_MOST_PORTS: Final = 65536


def write_out(model: Table, faults: Faults) -> Table:
    """The model in its long forms. It fits the schema; what does not all the same is a fault, and left out."""
    _Writing(faults).below(model, _RULES)
    return model


class _Writing:
    def __init__(self, faults: Faults) -> None:
        self.faults = faults

    def below(self, holder: Any, rules: Rules[Rewrite]) -> None:
        """Every entry of a mapping or list for which there are rules."""
        steps: Iterable[Any] = list(holder) if isinstance(holder, Table) else range(len(holder))
        misfits: list[Any] = []
        for step in steps:
            found = rules.below(str(step))
            if found is None:
                continue
            place = holder.place_of(step) if isinstance(holder, Table) else holder.places[step]
            try:
                if found.action:
                    holder[step] = found.action(holder[step], place)
            except DeclarationError as error:
                self.faults.extend(error)
                misfits.append(step)
            if isinstance(holder[step], Table | Row):
                self.below(holder[step], found)
        for step in reversed(misfits):
            del holder[step]
            if isinstance(holder, Row):
                del holder.places[step]


def _build(value: Any, place: Place) -> Any:
    return value if isinstance(value, Table) else _table(place, context=value)


def _dependencies(value: Any, place: Place) -> Any:
    table = mapping(value, started)
    for each in (table or {}).values():
        each.setdefault("condition", "service_started")
        each.setdefault("required", True)
    return table


def _env_files(value: Any, place: Place) -> Any:
    row = Row(place)
    for each, where in value.placed() if isinstance(value, Row) else [(value, place)]:
        entry = each if isinstance(each, Table) else _table(where, path=each)
        entry.setdefault("required", True)
        row.add(entry, where)
    return row


def _extends(value: Any, place: Place) -> Any:
    return value if isinstance(value, Table) else _table(place, service=value)


def _gpus(value: Any, place: Place) -> Any:
    if isinstance(value, Row):
        return value
    row = Row(place)
    row.add(_table(place, count="all"), place)
    return row


def _names(value: Any, place: Place) -> Any:
    return mapping(value) if isinstance(value, Row) else value


def _pairs(value: Any, place: Place) -> Any:
    if isinstance(value, Table):
        return value
    table = Table(place)
    for each, where in sequence(value, place).placed():
        key, _, after = str(each).partition("=")
        table.put(key, after, where)
    return table


def _keys(value: Any, place: Place) -> Any:
    if not isinstance(value, Row):
        return value
    table = Table(place)
    for each, where in value.placed():
        key, equals, after = str(each).partition("=")
        table.put(key, after if equals else None, where)
    return table


def _mount(value: Any, place: Place) -> Any:
    return parse_mount(value, place) if isinstance(value, str) else value


def _device(value: Any, place: Place) -> Any:
    return parse_device(value, place) if isinstance(value, str) else value


def _file(value: Any, place: Place) -> Any:
    return value if isinstance(value, Table) else _table(place, source=value)


def _ports(value: Any, place: Place) -> Any:
    row = Row(place)
    for each, where in value.placed():
        for port in [each] if isinstance(each, Table) else parse_ports(text_of(each), where):
            row.add(port, where)
        if len(row) > _MOST_PORTS:
            fault = Fault(where.file, where.line, where.column, "the service publishes too many ports", f"at most {_MOST_PORTS} can be")
            raise DeclarationError([fault])
    return row


def _servers(value: Any, place: Place) -> Any:
    """An empty name server is none."""
    row = Row(place)
    for each, where in sequence(value, place).placed():
        if each:
            row.add(each, where)
    return row


def _list(value: Any, place: Place) -> Any:
    return sequence(value, place) if isinstance(value, str) else value


def _text(value: Any, place: Place) -> Any:
    return text_of(value)


def _external(value: Any, place: Place) -> Any:
    """The old form ``external: {name: ...}``."""
    if isinstance(value, Table) and is_true(value.get("external")) and isinstance(value["external"], Table):
        named = value["external"].get("name")
        value["external"] = True
        if named:
            value.setdefault("name", named)
    return value


def _table(place: Place, **entries: Any) -> Table:
    table = Table(place)
    for key, value in entries.items():
        table.put(key, value, place)
    return table


_RULES: Final[Rules[Rewrite]] = Rules.of(
    {
        "services.*.build": _build,
        "services.*.build.secrets.*": _file,
        "services.*.build.provenance": _text,
        "services.*.build.sbom": _text,
        "services.*.build.additional_contexts": _pairs,
        "services.*.build.ssh": _keys,
        "services.*.depends_on": _dependencies,
        "services.*.env_file": _env_files,
        "services.*.label_file": _list,
        "services.*.extends": _extends,
        "services.*.gpus": _gpus,
        "services.*.networks": _names,
        "services.*.models": _names,
        "services.*.volumes.*": _mount,
        "services.*.dns": _servers,
        "services.*.devices.*": _device,
        "services.*.secrets.*": _file,
        "services.*.configs.*": _file,
        "services.*.ports": _ports,
        "services.*.develop.watch.*.ignore": _list,
        "services.*.develop.watch.*.include": _list,
        **{f"{section}.*": _external for section in ("volumes", "networks", "secrets", "configs")},
    }
)
