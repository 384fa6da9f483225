"""Which files of a mount changed, told by their names, as far as the record volume remembers what is there."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from trueup.model.contracts import Tree
from trueup.runtimes.compose.container import Container
from trueup.runtimes.compose.content import pieces_of
from trueup.runtimes.compose.delivery import Delivery, Listing
from trueup.runtimes.compose.service import Service

_SHOWN: Final = 4


async def edits_of(delivery: Delivery, service: Service, there: Sequence[Container], tree: Tree) -> dict[str, str]:
    """Target of a mount -> what changed in it since it was delivered: ``changed a.conf, b.conf; new c.conf``. Asks only about changes."""
    before, now = _versions(there[0].marks.spec or {}) if there else {}, _versions(service.applied)
    changed = {target for target in before.keys() & now.keys() if before[target] != now[target]}
    links = await delivery.links() if changed else {}
    told: dict[str, str] = {}
    for piece in pieces_of(service.name, service.spec, tree) if links else ():
        known = await delivery.listed(links[piece.mount]) if piece.target in changed and piece.mount in links else None
        if known is not None:
            told[piece.target] = difference(known, {path: (leaf.identity, leaf.mode) for path, leaf in piece.leaves.items()})
    return told


def difference(before: Listing, after: Listing) -> str:
    """What became of the files of a folder; nothing for a mount that is a file itself."""
    kinds = {
        "changed": [path for path in before.keys() & after.keys() if before[path] != after[path]],
        "new": after.keys() - before.keys(),
        "gone": before.keys() - after.keys(),
    }
    return "; ".join(f"{word} {_named(paths)}" for word, paths in kinds.items() if any(paths))


def _named(paths: Iterable[str]) -> str:
    ordered = sorted(paths)
    more = len(ordered) - _SHOWN
    return ", ".join(ordered[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _versions(spec: Mapping[str, Any]) -> dict[str, str]:
    entries = [entry for field in ("volumes", "configs") for entry in spec.get(field) or () if isinstance(entry, dict)]
    return {str(entry["target"]): str(entry["version"]) for entry in entries if entry.get("version")}
