"""``extends``: a service over the one that it extends, of the same file or of another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from trueup.renderers.compose.files import inside
from trueup.renderers.compose.interpolation import Unset
from trueup.renderers.compose.located import Faults, Place, Table, Within, clone
from trueup.renderers.compose.merging import Merging, take_back
from trueup.renderers.compose.paths import is_remote
from trueup.renderers.compose.reading import Steps

_DEEPEST: Final = 50


@dataclass(slots=True)
class Extended:
    """The services of one file, what it takes back, and the variables without a value in them."""

    file: str
    services: Table
    taken_back: Sequence[Steps] = ()
    unset: list[tuple[str, Place, Unset]] = field(default_factory=list)


Open = Callable[[str, Place], Extended | None]
"""Another file, by its path and the place that names it; None, and a fault, when it cannot be had."""


class Extending:
    """Works on the services of one document. ``folder`` is what the paths in it are relative to."""

    def __init__(self, folder: str, open_file: Open, faults: Faults, unset: list[tuple[str, Place, Unset]]) -> None:
        self._folder = folder
        self._open = open_file
        self._faults = faults
        self._unset = unset

    def apply(self, file: str, services: Any, taken_back: Sequence[Steps]) -> None:
        """Put the whole service in the place of each that extends another."""
        if not isinstance(services, Table):
            return
        own = Extended(file, services, taken_back)
        for name in list(services):
            self._complete(name, own, (), name)

    def _complete(self, name: str, own: Extended, trail: tuple[tuple[str, str], ...], asked: str) -> Any:
        service = own.services[name]
        extends = service.get("extends") if isinstance(service, Table) else None
        if not extends:
            return service
        place = service.place_of("extends")
        base = self._base(extends, own, (*trail, (own.file, name)), place, asked)
        service = own.services[name]
        service.pop("extends", None)
        if not isinstance(base, Table):
            return service
        source = clone(base)
        for steps in own.taken_back:
            if steps[:2] == ("services", name) and len(steps) > 2:
                take_back(source, steps[2:])
        own.services[name] = Merging(self._faults).service(source, service)
        return own.services[name]

    def _base(self, extends: Any, own: Extended, trail: tuple[tuple[str, str], ...], place: Place, asked: str) -> Any:
        named = extends.get("service") if isinstance(extends, Table) else extends
        other = extends.get("file") if isinstance(extends, Table) else None
        source = self._source(other, own, place)
        if source is None or not isinstance(named, str):
            return None
        if named not in source.services:
            self._faults.add(place, f"`{source.file}` has no service `{named}` to extend", "correct its name, or the file's")
            return None
        if len(trail) > _DEEPEST:
            self._faults.add(place, "services extend each other too deeply", f"at most {_DEEPEST} may, one after the other")
            return None
        if (source.file, named) in trail:
            self._faults.add(place, f"the service `{named}` extends itself", "remove one of the `extends`")
            return None
        self._unset.extend((asked, where, unset) for owner, where, unset in source.unset if owner == named)
        return self._complete(named, source, trail, asked)

    def _source(self, other: Any, own: Extended, place: Place) -> Extended | None:
        if other is None:
            return own
        path = str(other)
        if not isinstance(other, Within):
            if is_remote(path) or path.startswith(("oci:", "/", "~")):
                self._faults.add(place, "an extended file must be a file of the repository", "copy it into the repository, and name that")
                return None
            path = inside(self._folder, path)
        return self._open(path, place)
