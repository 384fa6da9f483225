"""The short form of a mount, ``SOURCE:TARGET:OPTIONS``, and of a device -> the long form."""

import posixpath
from typing import Final

from trueup.model.errors import DeclarationError, Fault
from trueup.renderers.compose.located import Place, Table

_PROPAGATIONS: Final = ("rprivate", "private", "rshared", "shared", "rslave", "slave")
_WITHOUT_EFFECT: Final = ("rw", "cached", "delegated", "consistent")
"""The last three are for shared folders of desktop machines; an engine on Linux takes them and does nothing."""


def parse_mount(text: str, place: Place) -> Table:
    """A mount of a service. Raises DeclarationError."""
    parts = _parts(text)
    if not text or not all(parts) or len(parts) > 3:
        raise _fault(place, f"`{text}` is not a mount", "write `SOURCE:TARGET`, `SOURCE:TARGET:ro`, or the long form")
    source, target = (parts[0], parts[1]) if len(parts) > 1 else ("", parts[0])
    table = Table(place)
    table["type"] = "bind" if _is_path(source) else "volume"
    if source:
        table["source"] = source
    table["target"] = posixpath.normpath(target)
    if table["target"].startswith("//"):
        table["target"] = table["target"][1:]
    own = Table(place)
    if len(parts) > 2:
        _set_options(table, own, parts[2], place)
    if table["type"] == "bind":
        own["create_host_path"] = True
    if len(text) > 2:
        table[table["type"]] = own
    return table


def _set_options(table: Table, own: Table, options: str, place: Place) -> None:
    """``own`` are the options of a bind, or of a volume."""
    for option in options.split(","):
        if option == "ro":
            table["read_only"] = True
        elif option in _WITHOUT_EFFECT:
            table.pop("read_only", None) if option == "rw" else None
        elif option == "nocopy" and table["type"] == "volume":
            own["nocopy"] = True
        elif option in _PROPAGATIONS and table["type"] == "bind":
            own["propagation"] = option
        elif option in ("z", "Z"):
            (own if table["type"] == "bind" else table.setdefault("bind", Table(place)))["selinux"] = option
        else:
            hint = f"known are ro, rw, nocopy (of a volume), z, Z and, of a bind mount, {', '.join(_PROPAGATIONS)}"
            raise _fault(place, f"a mount has no option `{option}`", hint)


def _parts(text: str) -> list[str]:
    """What stands between the colons; one after a single letter is part of a path of Windows."""
    if len(text) < 3:
        return [text]
    parts: list[str] = []
    for piece in text.split(":"):
        if parts and len(parts[-1]) == 1 and parts[-1].isalpha():
            parts[-1] += ":" + piece
        else:
            parts.append(piece)
    return parts


def _is_path(source: str) -> bool:
    return source[:1] in (".", "/", "~") or source.startswith("\\\\") or (source[:1].isalpha() and source[1:2] == ":")


def parse_device(text: str, place: Place) -> Table:
    """``SOURCE[:TARGET[:PERMISSIONS]]``. Raises DeclarationError."""
    parts = text.split(":")
    if len(parts) > 3:
        raise _fault(place, f"`{text}` is not a device", "write `SOURCE:TARGET:PERMISSIONS`, or the long form")
    table = Table(place)
    table["source"] = parts[0]
    table["target"] = (parts[1] if len(parts) > 1 else "") or parts[0]
    table["permissions"] = parts[2] if len(parts) > 2 else "rwm"
    return table


def _fault(place: Place, message: str, hint: str) -> DeclarationError:
    return DeclarationError([Fault(place.file, place.line, place.column, message, hint)])
