"""What is whose at an engine, told by labels and records alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trueup.model.contracts import Owner
from trueup.model.manifest import Body, Key
from trueup.runtimes.compose.labels import IMAGE, NETWORK, PROJECT, SERVICE, VOLUME, Marks, marks_in
from trueup.runtimes.compose.record import Record
from trueup.runtimes.compose.references import reference_of


@dataclass(frozen=True, slots=True)
class Holding:
    """An object that is somebody's: what counts for it, and what it is made of at the engine."""

    marks: Marks
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """All of them, found by what an event names."""

    owners: Mapping[str, tuple[Key, Owner]]
    images: Mapping[str, Mapping[Key, Owner]]

    def of(self, identity: str) -> tuple[Key, Owner] | None:
        """The object that a container, network or volume is of; volumes go by their names."""
        return self.owners.get(identity)

    def of_project(self, project: str) -> Mapping[Key, Owner]:
        """The services of a project."""
        return {key: owner for key, owner in self.owners.values() if key.kind == "Service" and key.namespace == project}

    def of_image(self, name: str) -> Mapping[Key, Owner]:
        """The services whose containers were made of what had this name."""
        return self.images.get(reference_of(name).tagged, {}) if name and not name.startswith("sha256:") else {}


def holdings(labelled: Iterable[tuple[str, Mapping[str, str]]], records: Mapping[str, Record]) -> dict[Key, Holding]:
    """Everything that is somebody's."""
    entries = {identity: entry for record in records.values() for entry in record.entries for identity in entry.ids}
    found: dict[Key, Holding] = {}
    for identity, labels in labelled:
        entry = entries.get(identity)
        key, marks = (entry.key, entry.marks) if entry else (key_in(labels), marks_in(labels))
        if key is not None and marks.owner is not None:
            known = found.get(key)
            found[key] = Holding(known.marks if known else marks, (*(known.ids if known else ()), identity))
    return found


def held_in(labelled: Iterable[tuple[str, Mapping[str, str]]], records: Mapping[str, Record]) -> Held:
    """The same, found by what an event names."""
    everything = list(labelled)
    owned = holdings(everything, records)
    owners: dict[str, tuple[Key, Owner]] = {}
    for key, holding in owned.items():
        if holding.marks.owner is not None:
            owners |= dict.fromkeys(holding.ids, (key, holding.marks.owner))
    images: dict[str, dict[Key, Owner]] = {}
    for identity, labels in everything:
        if identity in owners and (image := _image_of(labels, owned[owners[identity][0]].marks)):
            key, owner = owners[identity]
            images.setdefault(reference_of(image).tagged, {})[key] = owner
    return Held(owners, images)


def _image_of(labels: Mapping[str, str], marks: Marks) -> str:
    """The name of a container's image. Compose itself writes a digest there, and then the name is in what was adopted."""
    told = labels.get(IMAGE, "")
    return str((marks.spec or {}).get("image", "")) if told.startswith("sha256:") else told


def owned_by(labels: Mapping[str, str]) -> tuple[Key, Owner] | None:
    """Whose a container is, by its labels."""
    key, owner = key_in(labels), marks_in(labels).owner
    return (key, owner) if key is not None and owner is not None else None


def key_in(labels: Mapping[str, str]) -> Key | None:
    """The object that a thing is of, by Compose's labels."""
    for label, kind in ((SERVICE, "Service"), (NETWORK, "Network"), (VOLUME, "Volume")):
        if PROJECT in labels and label in labels:
            return Key(kind, labels[label], "", labels[PROJECT])
    return None


def identity_of(name: str, body: Body) -> str:
    """What a network or volume is known by: a network gets another one when it is made anew.

    A volume has nothing but its name: the time that the engine gives for it moves with every file that is written to its top.
    """
    return str(body.get("Id") or name)
