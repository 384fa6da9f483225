"""Archives of charts, those of strangers too."""

import io
import tarfile

import pytest

from trueup.model.errors import Refused
from trueup.toolkit.sources.unpacked import unpacked


def archive(*members: tarfile.TarInfo) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as file:
        for member in members:
            file.addfile(member, io.BytesIO(b"x" * member.size))
    return written.getvalue()


def member(name: str, size: int = 1, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.size, found.type, found.linkname = size, kind, link
    return found


def test_the_files_of_a_chart_are_named_without_its_folder() -> None:
    found = unpacked(archive(member("web/Chart.yaml"), member("web/templates/a.yaml", 3)), 1000)
    assert found == {"Chart.yaml": b"x", "templates/a.yaml": b"xxx"}


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "web/../../evil", "web\\..\\evil"])
def test_a_file_that_lies_outside_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="lies outside"):
        unpacked(archive(member(name)), 1000)


def test_links_and_devices_are_left_out() -> None:
    odd = [member("web/a", 0, tarfile.SYMTYPE, "/etc/passwd"), member("web/b", 0, tarfile.CHRTYPE), member("web/c", 0, tarfile.DIRTYPE)]
    assert unpacked(archive(*odd), 1000) == {}


def test_what_is_too_large_when_it_is_unpacked_is_refused() -> None:
    with pytest.raises(Refused, match="more than 1000 bytes"):
        unpacked(archive(member("web/a", 600), member("web/b", 600)), 1000)


@pytest.mark.parametrize("content", [b"", b"no archive", archive(member("web/a"))[:-30]], ids=["empty", "text", "cut off"])
def test_what_is_no_archive_is_refused(content: bytes) -> None:
    with pytest.raises(Refused, match="cannot be read"):
        unpacked(content, 1000)
