"""An object of this host as a person wants to see it."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime

from trueup.model.contracts import Live, Touch
from trueup.model.plan import Change
from trueup.model.secret import MASK
from trueup.model.wire import time_text
from trueup.runtimes.host.content import LARGEST_SHOWN, Contents, Seen, shown
from trueup.runtimes.host.files import read_file
from trueup.runtimes.host.ground import Ground, folder_of
from trueup.runtimes.host.keepers import Instance
from trueup.runtimes.host.manifests import API_VERSION
from trueup.runtimes.host.record import Entry
from trueup.runtimes.host.running import Ways

Fields = dict[str, object]


def live_of(entry: Entry, application: str, ground: Ground, ways: Ways) -> Live | None:
    """What is there of a recorded object; None when nothing is."""
    if entry.key.kind in ("Service", "Job"):
        instances = ways.keepers(application, entry.key.kind, entry.key.name).instances()
        fields = _running(instances[-1]) if instances else None
    else:
        fields = _placed(entry, ground)
    if fields is None:
        return None
    head: Fields = {"apiVersion": API_VERSION, "kind": entry.key.kind, "metadata": {"name": entry.key.name}}
    return Live(head | fields, entry.revision, _touches(entry, fields))


def _touches(entry: Entry, fields: Fields) -> tuple[Touch, ...]:
    """What a hand changed in a file since it was written. Nobody can tell whose hand it was."""
    at, seen = fields.pop("at", ""), fields.pop("seen", None)
    if not isinstance(seen, Seen) or entry.key.kind != "File":
        return ()
    identity, _, mode = entry.written.partition(" ")
    spec = fields["spec"]
    assert isinstance(spec, dict)
    changes = []
    if identity not in ("*", seen.identity):
        changes.append(Change("spec.content", entry.body.get("content"), spec["content"]))
    if mode not in ("*", f"{seen.mode:04o}"):
        changes.append(Change("spec.mode", mode, spec["mode"]))
    return (Touch("somebody on this host", str(at), tuple(changes)),) if changes else ()


def _running(instance: Instance) -> Fields:
    status: Fields = {
        "phase": instance.phase if instance.kept or instance.phase == "ended" else "lost",
        "ready": instance.ready and instance.kept,
        "restarts": instance.restarts,
    }
    if instance.process and instance.process.lives:
        status["pid"] = instance.process.pid
    if instance.port:
        status["port"] = instance.port
    if instance.reason:
        status["reason"] = instance.reason
    if instance.last_exit:
        status["lastExit"] = {"text": instance.last_exit.text, "at": instance.last_exit.at}
    return {"spec": instance.spec, "status": status}


def _placed(entry: Entry, ground: Ground) -> Fields | None:
    """A file with its content and mode, a directory with the ids of its files, in the shape of their manifests."""
    spot = ground.spot_at(entry.paths[0])
    try:
        with folder_of(spot, make=False) as folder:
            seen = Contents().look(spot.name, folder, entry.algorithm)
    except FileNotFoundError:
        return None
    if seen is None:
        return None
    spec: Fields = dict(entry.body)
    if entry.key.kind == "File":
        hidden = bool(entry.body.get("secret")) or entry.body.get("content") == MASK
        spec["content"] = MASK if hidden else _content(seen, read_file(spot))
        spec["mode"] = f"{seen.mode:04o}"
        return {"spec": spec, "seen": seen, "at": _changed_at(spot.path)}
    return {"spec": spec, "files": _listing(spot.path)}


def _changed_at(path: str) -> str:
    try:
        changed = os.lstat(path).st_ctime
    except OSError:
        return ""
    return time_text(datetime.fromtimestamp(changed, UTC))


def _content(seen: Seen, data: bytes | None) -> str:
    return shown(data) if data is not None and seen.kind == "file" and seen.size <= LARGEST_SHOWN else seen.short


def _listing(path: str) -> Mapping[str, str]:
    contents = Contents()
    found = {}
    for folder, _, files, descriptor in os.fwalk(path, follow_symlinks=False):
        for name in sorted(files):
            seen = contents.look(name, descriptor, "sha1")
            if seen:
                found[os.path.relpath(os.path.join(folder, name), path)] = seen.short  # noqa: PTH118
    return found
