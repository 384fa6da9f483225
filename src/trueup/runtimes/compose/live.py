"""An object as it is at the engine, in the shape of its manifest."""

from collections.abc import Sequence

from trueup.model.contracts import Live, Touch
from trueup.model.manifest import Body, Key
from trueup.model.plan import Change
from trueup.runtimes.compose.container import Container
from trueup.runtimes.compose.holding import identity_of, key_in
from trueup.runtimes.compose.labels import NETWORK, marks_in
from trueup.runtimes.compose.picture import Shot
from trueup.runtimes.compose.record import Record
from trueup.runtimes.compose.service import API_VERSION, UNTOLD
from trueup.toolkit.difference import changes


def live_service(shot: Shot, key: Key, containers: Sequence[Container]) -> Live:
    """A service: what was applied, with what was changed since as it is now, and its containers."""
    first = containers[0]
    spec = first.live_spec({name: body["Labels"].get(NETWORK, name) for name, body in shot.networks.items() if body.get("Labels")})
    status = {"containers": [_container(each) for each in containers]}
    return Live(_body(key, spec, status), first.marks.revision, _touches(first.marks.spec or {}, spec), UNTOLD)


def live_thing(shot: Shot, record: Record, key: Key) -> Live | None:
    """A network or volume; None when it is not there."""
    for name, body in (shot.networks if key.kind == "Network" else shot.volumes).items():
        labels, identity, entry = body.get("Labels") or {}, identity_of(name, body), record.entry(key)
        marks = record.marks(key, identity, marks_in(labels))
        if key_in(labels) == key or (entry is not None and identity in entry.ids):
            status = {"driver": body.get("Driver"), "created": body.get("Created") or body.get("CreatedAt")}
            return Live(_body(key, marks.spec or {"name": name}, status), marks.revision, untold=UNTOLD)
    return None


def _touches(applied: Body, live: Body) -> tuple[Touch, ...]:
    """What is not as it was applied. The engine does not know whose hand it was."""
    found = tuple(Change(each.path, each.before, each.after) for each in changes({"spec": applied}, {"spec": live}))
    return (Touch("unknown", "", found),) if found else ()


def _container(container: Container) -> Body:
    state = container.state
    told = {
        "name": container.name,
        "id": container.id[:12],
        "state": container.status,
        "health": (state.get("Health") or {}).get("Status"),
        "exitCode": state.get("ExitCode") if not container.runs else None,
        "image": container.image,
        "startedAt": state.get("StartedAt"),
        "restarts": container.body.get("RestartCount") or None,
        "revision": container.marks.revision,
        "origin": f"{container.marks.origin.file}:{container.marks.origin.line}" if container.marks.origin.file else "",
    }
    return {name: value for name, value in told.items() if value not in (None, "")}


def _body(key: Key, spec: Body, status: Body) -> dict[str, object]:
    metadata = {"name": key.name, "namespace": key.namespace}
    return {"apiVersion": API_VERSION, "kind": key.kind, "metadata": metadata, "spec": spec, "status": status}
