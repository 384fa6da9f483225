"""Which services are wanted: those without a profile, and those of a profile that the application names; and what these use."""

from collections.abc import Sequence
from typing import Any

from trueup.renderers.compose.located import Faults, Table


def keep_wanted(model: Table, profiles: Sequence[str], faults: Faults) -> None:
    """Take the services out of the model that are not wanted, and dependencies on them that are not required."""
    services = model.get("services")
    if not isinstance(services, Table):
        return
    unwanted = {name for name, service in services.items() if not _is_wanted(service, profiles)}
    for name in unwanted:
        del services[name]
    for name, service in services.items():
        dependencies = service.get("depends_on")
        for other in [each for each in dependencies or () if each not in services]:
            place = dependencies.place_of(other)
            if other not in unwanted:
                faults.add(place, f"the service `{name}` depends on `{other}`, which is not declared", "correct the name, or declare it")
            elif dependencies[other].get("required", True) is not False:
                message = f"the service `{name}` depends on `{other}`, whose profile is not among the application's"
                faults.add(place, message, "add the profile to `render.profiles`, or write `required: false`")


def keep_used(model: Table) -> None:
    """Take networks, volumes, configs and secrets out of the model that no service uses."""
    services = model["services"].values()
    used = {
        "networks": {name for service in services for name in service.get("networks") or ()},
        "volumes": {mount.get("source") for service in services for mount in _entries(service, "volumes") if mount.get("type") == "volume"},
        "configs": {entry.get("source") for service in services for entry in _entries(service, "configs")},
        "secrets": {
            entry.get("source")
            for service in services
            for holder in (service, service.get("build"))
            for entry in _entries(holder, "secrets")
        },
    }
    for section, names in used.items():
        table = model.get(section)
        if isinstance(table, Table):
            for name in [each for each in table if each not in names]:
                del table[name]


def _entries(holder: Any, name: str) -> Any:
    return (holder.get(name) if isinstance(holder, Table) else None) or ()


def _is_wanted(service: Any, profiles: Sequence[str]) -> bool:
    own = service.get("profiles") if isinstance(service, Table) else None
    return not own or "*" in profiles or any(each in profiles for each in own)
