"""An application's manifests become wanted objects that know each other; everything that does not fit together is refused at once."""

from collections.abc import Iterable, Mapping
from itertools import pairwise

from trueup.model.contracts import Desired
from trueup.model.errors import Refused
from trueup.model.manifest import Key, Manifest
from trueup.runtimes.host.ground import fits
from trueup.runtimes.host.manifests import Directory, Document, File, Job, Service, objections, read, used
from trueup.runtimes.host.member import Wanted
from trueup.toolkit.waves import batches

Refusal = tuple[str, str, str]
"""Key, message, hint."""


def wanted_of(desired: Desired) -> list[Wanted]:
    """The desired objects, each with those that it uses. Raises Refused with every refusal."""
    refusals = [(str(m.key), each.message, each.hint) for m in desired.manifests for each in objections(m)]
    _refuse(refusals)
    documents = {manifest.key: read(manifest) for manifest in desired.manifests}
    manifests = {manifest.key: manifest for manifest in desired.manifests}
    _refuse([*_missing(documents, manifests), *_rings(documents), *_collisions(documents)])
    return [_wanted(desired, key, manifests, documents) for key in manifests]


def after(wanted: Wanted, others: Iterable[Wanted]) -> tuple[Key, ...]:
    """What an object comes after inside its wave: what it uses; a service or job that names nothing, after all files and folders."""
    if not isinstance(wanted.document, Service | Job):
        return ()
    if wanted.uses:
        return tuple(use.key for use in wanted.uses if use.manifest.wave == wanted.manifest.wave)
    return tuple(each.key for each in others if isinstance(each.document, File | Directory) and each.manifest.wave == wanted.manifest.wave)


def _wanted(desired: Desired, key: Key, manifests: Mapping[Key, Manifest], documents: Mapping[Key, Document]) -> Wanted:
    uses = tuple(_wanted(desired, use, manifests, documents) for use in used(documents[key]))
    return Wanted(desired, manifests[key], documents[key], uses)


def _missing(documents: Mapping[Key, Document], manifests: Mapping[Key, Manifest]) -> list[Refusal]:
    found = []
    for key, document in documents.items():
        for use in used(document):
            if use not in documents:
                found.append((str(key), f"it uses {use}, which the application does not have", "correct `uses`, or add the object"))
            elif manifests[use].wave > manifests[key].wave:
                found.append((str(key), f"it uses {use}, which is in a later wave", "give it the same wave, or a later one"))
    return found


def _rings(documents: Mapping[Key, Document]) -> list[Refusal]:
    try:
        batches({key: used(document) for key, document in documents.items()})
    except ValueError as error:
        return [(str(error).partition(" ->")[0], f"objects use each other in a ring: {error}", "leave one of these `uses` out")]
    return []


def _collisions(documents: Mapping[Key, Document]) -> list[Refusal]:
    """Objects that write the same path, and files inside a folder that is exchanged as a whole."""
    places = sorted((d.spec.path, str(key)) for key, d in documents.items() if isinstance(d, File | Directory))
    folders = {d.spec.path: (str(key), d.spec.keep) for key, d in documents.items() if isinstance(d, Directory)}
    found: list[Refusal] = []
    for (path, key), (other, neighbour) in pairwise(places):
        if path == other:
            found.append((neighbour, f"{key} writes `{path}` too", "give one of them another path"))
    for path, key in places:
        for folder, (owner, keep) in folders.items():
            inside = path.removeprefix(f"{folder}/")
            if inside != path and not fits(inside, keep):
                hint = f"put it into the source of {owner}, or name `{inside}` in its `keep`"
                found.append((key, f"`{path}` is inside of {owner}, which is exchanged as a whole", hint))
    return found


def _refuse(refusals: list[Refusal]) -> None:
    if not refusals:
        return
    text = "; ".join(f"{key}: {message}" for key, message, _ in refusals)
    raise Refused(text, key=refusals[0][0], hint=next((hint for _, _, hint in refusals if hint), ""))
