"""A completed model -> what in it contradicts itself, or names what is not there."""

from collections.abc import Iterator
from typing import Any

from trueup.renderers.compose.located import Faults, Place, Table
from trueup.renderers.compose.shapes import LEFT_OUT, decimal, size
from trueup.toolkit.waves import batches


def check(model: Table, faults: Faults) -> None:
    """Add every contradiction to the faults."""
    checking = _Checking(model, faults)
    for name, service in model["services"].items():
        checking.service(name, service)
    for section, sources in (("secrets", ("file", "environment")), ("configs", ("file", "environment", "content"))):
        for name, entry in (model.get(section) or {}).items():
            checking.content(f"{section}.{name}", entry, sources)
    for name, volume in (model.get("volumes") or {}).items():
        checking.external(f"volumes.{name}", volume)
    checking.names()
    checking.cycles()


class _Checking:
    def __init__(self, model: Table, faults: Faults) -> None:
        self.model = model
        self.services: Table = model["services"]
        self.faults = faults

    def service(self, name: str, service: Table) -> None:
        """Everything that is said of one service."""
        where = self.services.place_of(name)
        if not service.get("image") and not service.get("build") and "provider" not in service:
            self.faults.add(where, f"the service `{name}` has neither an image nor a build", "write `image:` or `build:`")
        self._build(name, service)
        self._references(name, service)
        self._health(service)
        self._scale(name, service)
        self._limits(service)
        self._targets(service)

    def _build(self, name: str, service: Table) -> None:
        build = service.get("build") or Table(self.services.place)
        if build.get("dockerfile_inline") and build.get("dockerfile"):
            message = "`dockerfile` and `dockerfile_inline` exclude each other"
            self.faults.add(build.place_of("dockerfile_inline"), message, "remove one of them")
        platforms = build.get("platforms")
        if platforms and service.get("platform") and service["platform"] not in platforms:
            self.faults.add(build.place_of("platforms"), "`build.platforms` lacks the service's `platform`", "add it")
        for key, context in (build.get("additional_contexts") or {}).items():
            other = str(context).removeprefix("service:") if str(context).startswith("service:") else None
            if other and not (self.services.get(other) or {}).get("build"):
                place = build["additional_contexts"].place_of(key)
                self.faults.add(place, f"`{other}` is no service that is built", "name one that has a `build`")

    def _references(self, name: str, service: Table) -> None:
        if service.get("network_mode") and service.get("networks"):
            message = "`network_mode` and `networks` exclude each other"
            self.faults.add(service.place_of("network_mode"), message, "remove one of them")
        for section, other, place in _named(service):
            if other not in (self.model.get(section) or {}):
                message = f"the service `{name}` names `{other}`, which is not among the {section}"
                self.faults.add(place, message, f"declare it: `{section}: {{{other}: ...}}`, or correct the name")

    def _health(self, service: Table) -> None:
        test = (service.get("healthcheck") or {}).get("test")
        if isinstance(test, list) and test and test[0] not in ("CMD", "CMD-SHELL", "NONE"):
            message = "the test of a health check begins with CMD, CMD-SHELL or NONE"
            self.faults.add(service["healthcheck"].place_of("test"), message, "write it as one text, or begin the list with CMD")

    def _scale(self, name: str, service: Table) -> None:
        deploy = service.get("deploy") or {}
        scale, replicas = service.get("scale"), deploy.get("replicas")
        if scale is not None and deploy:
            if replicas is not None and int(scale) != int(replicas):
                self.faults.add(service.place_of("scale"), "`scale` and `deploy.replicas` differ", "keep one of them")
            deploy["replicas"] = scale
        wanted = int(scale if scale is not None else replicas if replicas is not None else 1)
        if wanted < 0:
            self.faults.add(service.place_of("scale"), "a service cannot run less than 0 times", "write 0 or more")
        if wanted > 1 and service.get("container_name"):
            message = f"the service `{name}` is to run {wanted} times under one `container_name`"
            self.faults.add(service.place_of("container_name"), message, "remove the name, or run it once")

    def _limits(self, service: Table) -> None:
        resources = (service.get("deploy") or {}).get("resources") or {}
        for old, part, new in (
            ("cpus", "limits", "cpus"),
            ("mem_limit", "limits", "memory"),
            ("mem_reservation", "reservations", "memory"),
            ("pids_limit", "limits", "pids"),
        ):
            table = resources.get(part)
            if service.get(old) and isinstance(table, Table) and _amount(service[old], new) != _amount(table.get(new), new):
                message = f"`{old}` and `deploy.resources.{part}.{new}` differ"
                self.faults.add(service.place_of(old), message, "keep one of them")

    def _targets(self, service: Table) -> None:
        seen: set[str] = set()
        tmpfs = service.get("tmpfs") or ()
        entries = [(str(each).split(":")[0], service.place_of("tmpfs")) for each in ([tmpfs] if isinstance(tmpfs, str) else tmpfs)]
        volumes = service.get("volumes")
        entries += [(str(each.get("target")), place) for each, place in (volumes.placed() if volumes else ())]
        for target, place in entries:
            if target in seen:
                self.faults.add(place, f"`{target}` is mounted twice", "remove one of the mounts")
            seen.add(target)

    def content(self, name: str, entry: Table, sources: tuple[str, ...]) -> None:
        """A config or secret says once where its content comes from."""
        given = [each for each in sources if each in entry]
        if entry.get("external") or entry.get("driver"):
            return
        if len(given) != 1:
            words = " or ".join(f"`{each}`" for each in sources)
            message = f"{name} needs {words}" if not given else f"{name} takes only one of {words}"
            self.faults.add(entry.place_of(given[1]) if given else entry.place, message, "say once where its content comes from")

    def external(self, name: str, volume: Table) -> None:
        """What others made is described by others."""
        if volume.get("external") is True:
            for key in volume:
                if key not in ("name", "external") and not key.startswith("x-"):
                    self.faults.add(volume.place_of(key), f"{name} is external, and takes no `{key}`", "remove one of the two")

    def names(self) -> None:
        """A container's name is that of one service."""
        taken: dict[str, str] = {}
        for name, service in self.services.items():
            chosen = service.get("container_name")
            if chosen and taken.setdefault(chosen, name) != name:
                place = service.place_of("container_name")
                self.faults.add(place, f"the containers of `{taken[chosen]}` and `{name}` have the same name", "give one another name")

    def cycles(self) -> None:
        """A service cannot wait for one that waits for it."""
        try:
            batches({name: service.get("depends_on") or () for name, service in self.services.items()})
        except ValueError as error:
            first = self.services[str(error).partition(" -> ")[0]]
            self.faults.add(first.place_of("depends_on"), f"services depend on each other: {error}", "remove one of the dependencies")


def _named(service: Table) -> Iterator[tuple[str, str, Place]]:
    """What a service names of the other sections."""
    for name in service.get("networks") or ():
        yield "networks", name, service["networks"].place_of(name)
    for mount, place in service["volumes"].placed() if service.get("volumes") else ():
        if mount.get("type") == "volume" and mount.get("source"):
            yield "volumes", mount["source"], place
    build = service.get("build") or Table(service.place)
    lists = [("configs", service.get("configs")), ("secrets", service.get("secrets")), ("secrets", build.get("secrets"))]
    for section, row in lists:
        for entry, place in row.placed() if row else ():
            yield section, str(entry.get("source")), place
    shared = str(service.get("network_mode") or "")
    if shared.startswith("service:"):
        yield "services", shared.removeprefix("service:"), service.place_of("network_mode")


def _amount(value: Any, kind: str) -> Any:
    try:
        found = size(value) if kind == "memory" else decimal(value)
    except ValueError:
        return None
    return 0 if found is LEFT_OUT else found
