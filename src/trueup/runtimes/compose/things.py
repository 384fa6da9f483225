"""Networks and volumes: as Git wants them, against what is at the engine, and how they are made."""

from collections.abc import Mapping
from typing import Any

from trueup.model.manifest import Body, Key, Manifest, digest_of
from trueup.model.plan import Effect
from trueup.runtimes.compose.fields import changes_between
from trueup.runtimes.compose.look import Look, Thing, version_of
from trueup.runtimes.compose.scene import Scene, name_of
from trueup.runtimes.compose.service import is_external

_FLAGS = {"internal": "Internal", "attachable": "Attachable", "enable_ipv6": "EnableIPv6"}
_POOL = {"subnet": "Subnet", "gateway": "Gateway", "ip_range": "IPRange", "aux_addresses": "AuxiliaryAddresses"}


def look_at_thing(scene: Scene, key: Key) -> Look:
    """A network or volume that is desired."""
    manifest, thing = scene.manifests[key], scene.things.get(key)
    if is_external(manifest):
        return _external(manifest, thing)
    if thing is None:
        return Look(key, changes=changes_between({}, applied(manifest)), reason="it is not there")
    owner = scene.owner_of(key, [thing.marks.owner])
    mine = owner == scene.owner
    renamed = thing.body["Name"] != name_of(manifest)
    before = thing.marks.spec if thing.marks.spec is not None else observed(key.kind, thing.body, applied(manifest))
    changes = changes_between(before, applied(manifest))
    return Look(
        key,
        seen=seen_of(thing),
        same=thing.marks.owner == scene.owner and not changes,
        owner=owner,
        mine=mine,
        changes=changes,
        effect=Effect.RECREATE if changes and key.kind == "Network" else Effect.NONE,
        reason=_of_volume(renamed) if changes and key.kind == "Volume" else "",
        ids=(thing.identity,),
        version=version_of((thing.identity,), thing.marks),
        replaced=bool(changes) and key.kind == "Volume" and not renamed,
    )


def _of_volume(renamed: bool) -> str:
    if renamed:
        return "another volume takes its place; the one before stays, with what is in it"
    return "a volume cannot change: it is made anew, and what is in it is lost"


def seen_of(thing: Thing | None) -> str:
    """A digest of what is compared; empty when it is not there."""
    if thing is None:
        return ""
    parts = [thing.identity, str(thing.marks.owner or ""), thing.marks.spec]
    return digest_of(parts)


def applied(manifest: Manifest) -> Body:
    """What of a network's or volume's spec makes it."""
    spec = manifest.body.get("spec") or {}
    empty: tuple[Any, ...] = (None, {}, [], "", False)
    kept = {name: value for name, value in spec.items() if name == "enable_ipv4" or not (name.startswith("x-") or value in empty)}
    return {**kept, "name": name_of(manifest)}


def creation_of(manifest: Manifest, labels: Mapping[str, str]) -> tuple[str, Body]:
    """Where a network or volume is made, and by which request."""
    spec = applied(manifest)
    if manifest.key.kind == "Network":
        return "/networks/create", _network(spec, labels)
    told = {**(spec.get("labels") or {}), **labels}
    options = {name: str(value) for name, value in (spec.get("driver_opts") or {}).items()}
    return "/volumes/create", {"Name": spec["name"], "Driver": spec.get("driver") or "local", "DriverOpts": options, "Labels": told}


def observed(kind: str, body: Body, wanted: Mapping[str, Any]) -> Body:
    """What somebody else made, in Compose's terms; of what Git does not say, only what is no default."""
    theirs: Body = {"name": body["Name"], "driver": body.get("Driver")}
    options = "Options"
    if kind == "Network":
        theirs |= {name: True for name, field in _FLAGS.items() if body.get(field)}
        if wanted.get("ipam"):
            theirs["ipam"] = _ipam(body.get("IPAM") or {}, wanted["ipam"])
    theirs["driver_opts"] = {name: value for name, value in (body.get(options) or {}).items() if name in (wanted.get("driver_opts") or {})}
    theirs["labels"] = {name: value for name, value in (body.get("Labels") or {}).items() if name in (wanted.get("labels") or {})}
    if "driver" not in wanted and theirs["driver"] in ("bridge", "local"):
        del theirs["driver"]
    return {name: value for name, value in theirs.items() if value not in (None, {}, [])}


def _external(manifest: Manifest, thing: Thing | None) -> Look:
    if thing is not None:
        return Look(manifest.key, seen=seen_of(thing), same=True, mine=True, ids=(thing.identity,), version=thing.identity)
    kind = manifest.key.kind.lower()
    return Look(
        manifest.key, refusal=f"the external {kind} {name_of(manifest)} is not there: make it (`docker {kind} create {name_of(manifest)}`)"
    )


def _network(spec: Mapping[str, Any], labels: Mapping[str, str]) -> Body:
    ipam = spec.get("ipam") or {}
    pools = [{_POOL[name]: value for name, value in pool.items() if name in _POOL} for pool in ipam.get("config") or ()]
    body: Body = {
        "Name": spec["name"],
        "CheckDuplicate": True,
        "Driver": spec.get("driver") or "bridge",
        "Options": {name: str(value) for name, value in (spec.get("driver_opts") or {}).items()},
        "Labels": {**(spec.get("labels") or {}), **labels},
        **{field: True for name, field in _FLAGS.items() if spec.get(name)},
    }
    if spec.get("enable_ipv4") is False:
        body["EnableIPv4"] = False
    if ipam:
        body["IPAM"] = {"Driver": ipam.get("driver") or "default", "Config": pools, "Options": ipam.get("options") or {}}
    return body


def _ipam(theirs: Mapping[str, Any], wanted: Mapping[str, Any]) -> Body:
    pools = theirs.get("Config") or []
    told = [
        {name: pool.get(field) for name, field in _POOL.items() if name in asked}
        for pool, asked in zip(pools, wanted.get("config") or [], strict=False)
    ]
    return {name: value for name, value in {**wanted, "config": told}.items() if value}
