"""A chart's archive -> its files, in memory: nothing is written, so nothing can be written elsewhere."""

import io
import posixpath
import tarfile
import zlib
from typing import Final

from trueup.model.errors import Refused

MOST_FILES: Final = 10_000
_HINT: Final = "name another version of the chart"


def unpacked(archive: bytes, largest: int) -> dict[str, bytes]:
    """Path -> content, without the archive's topmost folder. Links and devices are left out.

    Raises Refused for what is no archive, is too large when it is unpacked, or has a path that leaves it.
    """
    files: dict[str, bytes] = {}
    total = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as members:
            for number, member in enumerate(members):
                total += member.size
                if total > largest or number >= MOST_FILES:
                    raise Refused(f"the archive has more than {largest} bytes or {MOST_FILES} files when it is unpacked", hint=_HINT)
                content = members.extractfile(member) if member.isfile() else None
                if content is not None:
                    files[_inside(member.name)] = content.read(largest)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise Refused(f"the archive of the chart cannot be read: {type(error).__name__}", hint=_HINT) from error
    return files


def _inside(name: str) -> str:
    path = posixpath.normpath(name)
    if path.startswith(("/", "..")) or "\\" in path or "\0" in path:
        raise Refused("the archive of the chart has a file that lies outside of it", hint=_HINT)
    return path.partition("/")[2] or path
