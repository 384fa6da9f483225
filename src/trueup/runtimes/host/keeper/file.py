"""Small files, read whole and replaced whole. (``pathlib`` would be a fifth of a keeper's memory.)"""

import os


def content(path: str) -> bytes:
    """All of a file. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(descriptor, 1 << 16):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def replace(path: str, data: bytes, durable: bool) -> None:
    """Give a file new content at once: a reader sees the old or the new. ``durable``: it survives a power loss. Raises OSError."""
    draft = f"{path}.new"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        write(descriptor, data)
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(draft, path)  # noqa: PTH104
    if durable:
        flush_folder(os.path.dirname(path))  # noqa: PTH120


def write(descriptor: int, data: bytes) -> None:
    """All of it: a nearly full disk takes a part first and refuses then. Raises OSError."""
    while data:
        data = data[os.write(descriptor, data) :]


def flush_folder(path: str) -> None:
    """Make what was made, renamed or removed in a folder survive a power loss."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
