"""The state folder and the files in it, which nobody but their owner may read."""

import os
import stat
from pathlib import Path

from trueup.model.errors import SettingsError

_PRIVATE = 0o600
_OTHERS = 0o077


def private_folder(folder: Path) -> Path:
    """The folder, made with mode 0700 when it is not there; one that is there keeps its mode. Raises SettingsError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, error) from error
    return folder


def open_private(path: Path) -> int:
    """A descriptor for reading and writing of the file, made if need be; its mode is 0600 afterwards. Raises SettingsError."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE)
    except OSError as error:
        raise _unusable(path, error) from error
    status = os.fstat(descriptor)
    if stat.S_IMODE(status.st_mode) & _OTHERS and status.st_uid == os.geteuid():
        os.fchmod(descriptor, _PRIVATE)
    return descriptor


def _unusable(path: Path, error: OSError) -> SettingsError:
    return SettingsError(
        f"the state cannot be kept: {error.strerror}",
        where=str(path),
        hint="name a folder that you may write, with --state or TRUEUP_STATE",
    )
