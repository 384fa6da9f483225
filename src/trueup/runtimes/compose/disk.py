"""The record volume on this machine's own disk: there a link can be exchanged at once and a name be taken away, which no archive can."""

import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from trueup.runtimes.compose.carrier import Carrier

_NONCE: Final = "nonce"
_DRAFT: Final = ".next"


async def own_disk(carrier: Carrier) -> Path | None:
    """The volume's folder, where it is proven that the engine's machine is this one and that we may write there."""
    if carrier.engine.access.parts.scheme != "unix":
        return None
    root, nonce = Path(await carrier.mountpoint() or "/nowhere"), secrets.token_hex(16)
    if not os.access(root / "files", os.W_OK):
        return None
    # One at a time: what another one wrote proves nothing to us.
    async with carrier.changing:
        await carrier.write(_NONCE, nonce.encode())
        with suppress(OSError):
            return root if (root / _NONCE).read_text() == nonce else None
    return None


def link(folder: Path, targets: Mapping[str, str]) -> None:
    """Let the links in a folder lead to these targets: whoever follows one meanwhile comes to the old one or to the new one. Blocks."""
    folder.mkdir(0o755, exist_ok=True)
    for name, target in targets.items():
        draft = folder / f"{name}{_DRAFT}"
        draft.unlink(missing_ok=True)
        draft.symlink_to(target)
        draft.replace(folder / name)


def clear(root: Path, names: Iterable[str]) -> None:
    """Take these away, with all that is in them, and what an archive left in the place of others. Blocks."""
    stubs = [
        place for folder in ("files", "index", "live") if (root / folder).is_dir() for place in (root / folder).iterdir() if _is_stub(place)
    ]
    for place in [*(root / name for name in names), *stubs]:
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)


def _is_stub(place: Path) -> bool:
    return not place.is_symlink() and place.is_file() and not place.stat().st_size
