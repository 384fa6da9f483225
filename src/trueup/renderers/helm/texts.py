"""The files of a chart -> their texts, those in archives too, to look for a word in them."""

import zlib
from collections.abc import Iterator, Mapping
from typing import Final

LARGEST: Final = 64 * 1024**2
PIECE: Final = 1024**2
OVERLAP: Final = 4096


def texts(files: Mapping[str, bytes]) -> Iterator[bytes]:
    """Each file's content; an archive's in pieces that overlap, as far as it is a sensible size."""
    for path, content in files.items():
        if path.endswith(".tgz"):
            yield from _unpacked(content)
        else:
            yield content


def _unpacked(archive: bytes) -> Iterator[bytes]:
    unpacking = zlib.decompressobj(wbits=31)
    rest, tail, total = archive, b"", 0
    while rest and total < LARGEST and not unpacking.eof:
        try:
            piece = unpacking.decompress(rest, PIECE)
        except zlib.error:
            return
        rest = unpacking.unconsumed_tail
        total += len(piece)
        yield tail + piece
        tail = piece[-OVERLAP:]
