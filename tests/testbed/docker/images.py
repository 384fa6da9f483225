"""busybox -> images that need no registry."""

import io
import shutil
import tarfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tests.components import missing, require

APPLETS = (
    "sh ash cat chmod cp cut date echo env false find grep head hostname httpd id ip kill ln ls md5sum mkdir mktemp mv nc nslookup ping "
    "printf ps pwd readlink rm rmdir sed seq sha256sum sleep sort stat sync tail tar tee test timeout top touch tr true uname wc wget xargs"
)

# As the first process of a container a program does not end at SIGTERM unless it says so.
RUN = "#!/bin/sh\ntrap 'exit 0' TERM INT\n\"$@\" &\nwait $!\n"
SLEEP = ('CMD ["/bin/run", "sleep", "1000000"]',)
WEB = ('CMD ["/bin/run", "httpd", "-f", "-p", "80", "-h", "/www"]', "EXPOSE 80")
QUICK = "HEALTHCHECK --interval=200ms --timeout=5s --retries=2 CMD"

IMAGES: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "test/sleep:1": (SLEEP, {}),
    "test/sleep:2": ((*SLEEP, "ENV VERSION=2"), {}),
    "test/web:1": (WEB, {"www/index.html": "one\n"}),
    "test/web:2": (WEB, {"www/index.html": "two\n"}),
    "test/healthy:1": ((*WEB, f"{QUICK} wget -q -O - http://127.0.0.1/"), {"www/index.html": "one\n"}),
    "test/healthy:2": ((*WEB, f"{QUICK} wget -q -O - http://127.0.0.1/"), {"www/index.html": "two\n"}),
    "test/sick:1": ((*WEB, f"{QUICK} false"), {"www/index.html": "sick\n"}),
    "test/exits:1": (('CMD ["sh", "-c", "echo no use; exit 3"]',), {}),
    "test/job:1": (('CMD ["true"]',), {}),
}
"""What every engine has from the start: a name -> instructions, files. `healthy` and `sick` have a health check of 200 ms."""


def require_busybox() -> Path:
    """A busybox that needs no library; skips the test where there is none."""
    program = require("busybox", "busybox-static")
    if b"ld-linux" in program.read_bytes()[:4096]:
        missing("a static busybox is missing: install the package busybox-static")
    return program


def root_file_system(files: Mapping[str, str]) -> bytes:
    """A tar archive of a file system with busybox, its applets, `/bin/run` and files: path -> content."""
    archive = io.BytesIO(_busybox())
    with tarfile.open(fileobj=archive, mode="a") as tar:
        for path, content in files.items():
            _add(tar, path, content.encode(), 0o644)
    return archive.getvalue()


@cache
def _busybox() -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for folder in ("bin", "etc", "tmp", "run", "www"):
            member = tarfile.TarInfo(folder)
            member.type, member.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(member)
        program = shutil.which("busybox")
        assert program
        _add(tar, "bin/busybox", Path(program).read_bytes(), 0o755)
        _add(tar, "bin/run", RUN.encode(), 0o755)
        _add(tar, "etc/passwd", b"root:x:0:0:root:/:/bin/sh\nweb:x:1000:1000:web:/:/bin/sh\n", 0o644)
        _add(tar, "etc/group", b"root:x:0:\nweb:x:1000:\n", 0o644)
        for applet in APPLETS.split():
            member = tarfile.TarInfo(f"bin/{applet}")
            member.type, member.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(member)
    return archive.getvalue()


def _add(tar: tarfile.TarFile, path: str, content: bytes, mode: int) -> None:
    member = tarfile.TarInfo(path)
    member.size, member.mode = len(content), mode
    tar.addfile(member, io.BytesIO(content))
