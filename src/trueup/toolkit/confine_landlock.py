"""Landlock: a thread and all that it starts from then on reach only what is named (Linux 5.13 and later, no rights needed).

The numbers are those of ``linux/landlock.h``; the system calls have the same number on every architecture.
"""

import ctypes
import os
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_GET_VERSION: Final = 1
_PATH_BENEATH: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_OF_FILES: Final = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_READING: Final = _EXECUTE | _READ_FILE | _READ_DIR
# What each version of the interface added: renaming across folders, truncating, and the controls of devices.
_FILE_RIGHTS: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_TCP: Final = 0b11
TCP_SINCE: Final = 4
_SCOPES: Final = 0b11
SCOPES_SINCE: Final = 6


class _Rules(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


@dataclass(frozen=True, slots=True)
class Reach:
    """What is left: files and folders to read and run, and those to write. Neither: files are not restricted at all."""

    readable: Sequence[Path] = ()
    writable: Sequence[Path] = ()


@lru_cache(1)
def version() -> int:
    """The version of the interface; 0 where the kernel has none, or we may not use it: found out by trying, in a thread that ends.
    4 knows TCP, 6 signals and abstract sockets."""
    with ThreadPoolExecutor(1) as thread:
        try:
            thread.submit(restrict, Reach()).result()
        except OSError:
            return 0
    return _told()


@lru_cache(1)
def _told() -> int:
    try:
        return max(_call(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_GET_VERSION)), 0)
    except (OSError, AttributeError):
        return 0


def restrict(reach: Reach) -> None:
    """Restrict this thread, for ever: no TCP, no signal to and no abstract socket of others, and of the files what is named.

    What the kernel does not know is left out. Raises OSError.
    """
    made = ruleset(reach)
    if made is None:
        return
    try:
        # Without it only root may, and what is started could win rights by a program that gives them.
        _library().prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))
        _call(_RESTRICT_SELF, ctypes.c_int(made), ctypes.c_uint32(0))
    finally:
        os.close(made)


def ruleset(reach: Reach) -> int | None:
    """The descriptor of these rules, which the caller closes; None where the kernel knows nothing of what they say. Raises OSError."""
    known = _told()
    if not known:
        return None
    files = _FILE_RIGHTS[max(each for each in _FILE_RIGHTS if each <= known)] if reach != Reach() else 0
    rules = _Rules(files, _TCP if known >= TCP_SINCE else 0, _SCOPES if known >= SCOPES_SINCE else 0)
    if not (rules.files or rules.network or rules.scopes):
        return None
    size = 8 if known < TCP_SINCE else 16 if known < SCOPES_SINCE else ctypes.sizeof(rules)
    made = _call(_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), ctypes.c_uint32(0))
    try:
        for rights, paths in ((_READING, reach.readable), (files, reach.writable)):
            for path in paths:
                _allow(made, path, rights & files)
    except BaseException:
        os.close(made)
        raise
    return made


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        of_kind = rights if stat.S_ISDIR(os.fstat(descriptor).st_mode) else rights & _OF_FILES
        beneath = _Beneath(of_kind, descriptor)
        _call(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), ctypes.byref(beneath), ctypes.c_uint32(0))
    finally:
        os.close(descriptor)


@lru_cache(1)
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: object) -> int:
    result = int(_library().syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
