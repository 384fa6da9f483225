"""``x-trueup``: what a Compose file says to Trueup alone, checked."""

from typing import Any, Final

from trueup.renderers.compose.located import Faults, Place, Table, plain

_CHANGES: Final = ("recreate", "restart")
_STATES: Final = ("running", "stopped")


def extension_of(holder: Table, place: Place, faults: Faults, of_service: bool) -> dict[str, Any]:
    """What stands in ``x-trueup`` of a service, or of one of its mounts, configs or secrets."""
    told = holder.get("x-trueup")
    if told is None:
        return {}
    place = holder.place_of("x-trueup")
    if not isinstance(told, Table):
        faults.add(place, "`x-trueup` must be a mapping", "write `x-trueup: {change: restart}`")
        return {}
    known = ("change", "state") if of_service else ("change",)
    for name in told:
        if name not in known:
            faults.add(told.place_of(name), f"`x-trueup` has no `{name}` here", f"known are {', '.join(known)}")
    if "change" in told and not _is_change(told["change"]):
        hint = "write recreate, restart or {signal: SIGHUP}"
        faults.add(told.place_of("change"), "`change` says how a changed file reaches what runs", hint)
    if of_service and told.get("state", "running") not in _STATES:
        faults.add(told.place_of("state"), "`state` must be running or stopped", "write one of the two, or leave it out")
    return {name: plain(value) for name, value in told.items() if name in known}


def _is_change(value: Any) -> bool:
    if isinstance(value, Table):
        signal = value.get("signal")
        return list(value) == ["signal"] and isinstance(signal, str) and signal.isupper() and signal.startswith("SIG")
    return value in _CHANGES
