"""A Compose file over another: what the later one says is merged into the earlier by the specification's rules."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from trueup.renderers.compose.located import Faults, Place, Row, Table
from trueup.renderers.compose.rules import Rules
from trueup.renderers.compose.scalars import text_of

Places = tuple[Place, Place]
"""Where the earlier entry was written, and where the later."""
Merge = Callable[["Merging", Any, Any, Places], Any]


class Merging:
    """Merges, and collects what cannot be."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults

    def merge(self, earlier: Table, later: Table) -> Table:
        """The whole model: ``earlier`` is changed and given back."""
        return self.mappings(earlier, later, _RULES)

    def service(self, earlier: Table, later: Table) -> Table:
        """One service over the one that it extends."""
        return self.mappings(earlier, later, _RULES.at("services", "x"))

    def values(self, earlier: Any, later: Any, rules: Rules[Merge] | None, places: Places) -> Any:
        """One entry over another."""
        if rules and rules.action:
            return rules.action(self, earlier, later, places)
        if later is None:
            return earlier
        kind = Table if isinstance(earlier, Table) else Row if isinstance(earlier, Row) else None
        if kind and not isinstance(later, kind):
            wanted = "a mapping" if kind is Table else "a list"
            self.faults.add(places[1], f"what stands here overrides {wanted}", f"write {wanted} here too, or `!override`")
            return earlier
        if isinstance(earlier, Table):
            return self.mappings(earlier, later, rules)
        return rows(earlier, later) if isinstance(earlier, Row) else later

    def mappings(self, earlier: Table, later: Table, rules: Rules[Merge] | None = None) -> Table:
        """Every entry of the later one over the same entry of the earlier."""
        for key, value in later.items():
            place = later.place_of(key)
            if key in earlier:
                below = rules.below(key) if rules else None
                merged = self.values(earlier[key], value, below, (earlier.place_of(key), place))
                earlier.put(key, merged, earlier.place_of(key) if merged is earlier[key] and value is None else place)
            else:
                earlier.put(key, value, place)
        return earlier


def rows(earlier: Row, later: Row) -> Row:
    """Both lists, one after the other."""
    joined = Row(earlier.place)
    joined.extend([*earlier, *later])
    joined.places = [*earlier.places, *later.places]
    return joined


def sequence(value: Any, place: Place) -> Row:
    """A list of ``key=value``, whether it was written as a mapping, a list or one text. A mapping's is sorted."""
    if isinstance(value, Row):
        return value
    row = Row(place)
    if isinstance(value, str):
        row.add(value, place)
    elif isinstance(value, Table):
        for text, where in sorted(_entries(value), key=lambda entry: entry[0]):
            row.add(text, where)
    return row


def _entries(table: Table) -> Iterable[tuple[str, Place]]:
    for key, value in table.items():
        place = table.place_of(key)
        if value is None:
            yield key, place
        elif isinstance(value, Row):
            yield from ((f"{key}={text_of(each)}", place) for each in value)
        else:
            yield f"{key}={text_of(value)}", place


def mapping(value: Any, default: Callable[[Place], Any] = lambda place: None) -> Table | None:
    """A mapping, whether it was written as one or as a list of its keys."""
    if isinstance(value, Table):
        return value
    if not isinstance(value, Row):
        return None
    table = Table(value.place)
    for key, place in value.placed():
        if isinstance(key, str):
            table.put(key, default(place), place)
    return table


def started(place: Place) -> Table:
    """What a dependency means when only its name is given."""
    table = Table(place)
    table.put("condition", "service_started", place)
    table.put("required", True, place)
    return table


def _replace(merging: Merging, earlier: Any, later: Any, places: Places) -> Any:
    return later


def _one_after_the_other(merging: Merging, earlier: Any, later: Any, places: Places) -> Any:
    return rows(sequence(earlier, places[0]), sequence(later, places[1]))


def _hosts(merging: Merging, earlier: Any, later: Any, places: Places) -> Any:
    first, second = sequence(earlier, places[0]), sequence(later, places[1])
    new = Row(second.place)
    for value, place in second.placed():
        if value not in first:
            new.add(value, place)
    return rows(first, new)


def _build(merging: Merging, earlier: Any, later: Any, places: Places) -> Any:
    return _both(merging, _context(earlier, places[0]), _context(later, places[1]), later, _RULES.at("services", "x", "build"))


def _context(build: Any, place: Place) -> Table | None:
    if not isinstance(build, str):
        return build if isinstance(build, Table) else None
    table = Table(place)
    table["context"] = build
    return table


def _both(merging: Merging, first: Table | None, second: Table | None, later: Any, rules: Rules[Merge] | None = None) -> Any:
    if first is None:
        return later
    return first if second is None else merging.mappings(first, second, rules)


def _dependencies(merging: Merging, earlier: Any, later: Any, places: Places) -> Any:
    return _both(merging, mapping(earlier, started), mapping(later, started), later)


def _names(merging: Merging, earlier: Any, later: Any, places: Places) -> Any:
    return _both(merging, mapping(earlier), mapping(later), later)


def _logging(merging: Merging, earlier: Any, later: Any, places: Places) -> Any:
    """Options belong to a driver: another driver begins anew."""
    if not isinstance(earlier, Table) or not isinstance(later, Table):
        return later if later is not None else earlier
    if "driver" in earlier and "driver" in later and earlier["driver"] != later["driver"]:
        return later
    return merging.mappings(earlier, later)


def _pools(merging: Merging, earlier: Any, later: Any, places: Places) -> Any:
    """Address pools are the same when their subnets are."""
    if not isinstance(earlier, Row) or not isinstance(later, Row):
        return later
    merged = Row(earlier.place)
    for first, place in earlier.placed():
        for second, other in later.placed():
            _pool(merging, merged, (first, place), (second, other))
    return merged


def _pool(merging: Merging, merged: Row, earlier: tuple[Any, Place], later: tuple[Any, Place]) -> None:
    (first, place), (second, other) = earlier, later
    known = [each.get("subnet") for each in merged]
    if not isinstance(first, Table) or not isinstance(second, Table):
        return
    if second.get("subnet") != first.get("subnet") and second.get("subnet") not in known:
        merged.add(second, other)
        return
    first = merging.mappings(first, second)
    known = [each.get("subnet") for each in merged]
    if first.get("subnet") in known:
        merged[known.index(first.get("subnet"))] = first
    else:
        merged.add(first, place)


_LISTED: Final = (
    "annotations build.args build.additional_contexts build.labels deploy.labels dns dns_opt dns_search env_file label_file environment "
    "labels volumes.*.volume.labels sysctls tmpfs"
)
_RULES: Final[Rules[Merge]] = Rules.of(
    {
        **{f"services.*.{path}": _one_after_the_other for path in _LISTED.split()},
        **{f"services.*.{path}": _replace for path in ("command", "entrypoint", "healthcheck.test", "ulimits.*")},
        **{f"services.*.{path}": _hosts for path in ("extra_hosts", "build.extra_hosts")},
        **{f"services.*.{path}": _names for path in ("networks", "models")},
        "services.*.build": _build,
        "services.*.depends_on": _dependencies,
        "services.*.logging": _logging,
        "networks.*.labels": _one_after_the_other,
        "volumes.*.labels": _one_after_the_other,
        "networks.*.ipam.config": _pools,
    }
)


def take_back(model: Any, steps: tuple[str, ...]) -> None:
    """Remove what was said at a path before a ``!reset`` or ``!override``. Items of a list cannot be."""
    for step in steps[:-1]:
        if not isinstance(model, Table) or step not in model:
            return
        model = model[step]
    if isinstance(model, Table):
        model.pop(steps[-1], None)
