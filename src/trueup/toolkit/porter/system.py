"""The system calls that make a world and give up rights, which Python does not offer itself (Linux)."""

import ctypes
import errno
import os
from typing import Final

NEW_MOUNTS: Final = 0x00020000
NEW_IPC: Final = 0x08000000
NEW_USER: Final = 0x10000000
NEW_PROCESSES: Final = 0x20000000
NEW_NETWORK: Final = 0x40000000

READ_ONLY: Final = 1
NO_SET_ID: Final = 2
NO_DEVICES: Final = 4
REMOUNT: Final = 32
BIND: Final = 4096
RECURSIVE: Final = 16384
PRIVATE: Final = 1 << 18
_RELATIVE_TIME: Final = 1 << 21
# What a mount is, as statvfs tells it, is the same number for mount, but for one.
_KEPT: Final = 2 | 4 | 8 | 1024 | 2048
_STATED_RELATIVE_TIME: Final = 4096

_PARENT_DEATH: Final = 1
_DROP_BOUNDING: Final = 24
_NO_NEW_PRIVILEGES: Final = 38
_AMBIENT: Final = 47
_CLEAR_ALL: Final = 4
_CAPABILITIES: Final = 64
_CAPABILITY_VERSION: Final = 0x20080522

_CLONE3: Final = 435
_CLONE: Final = {"x86_64": 56, "aarch64": 220, "riscv64": 220, "ppc64le": 120}
"""Where the kernel has no clone3 (before Linux 5.3)."""
_CHILD_ENDED: Final = 17

_RESTRICT_SELF: Final = 446
_MOUNT_SET_ATTRIBUTES: Final = 442
_BENEATH: Final = 0x8000
_HERE: Final = -100

# It holds on to the one lock of Python during a call, for what comes back from `fork` may be another process.
_library: Final = ctypes.PyDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("process", ctypes.c_int))


class _Attributes(ctypes.Structure):
    _fields_ = (("set", ctypes.c_uint64), ("clear", ctypes.c_uint64), ("spread", ctypes.c_uint64), ("namespace", ctypes.c_uint64))


class _Clone(ctypes.Structure):
    _fields_ = (*((name, ctypes.c_uint64) for name in ("flags", "pidfd", "child", "parent", "signal", "stack", "size", "tls")),)


def fork(namespaces: int) -> int:
    """As ``os.fork``, the child in namespaces of its own of these kinds. Raises OSError, as all of these do.

    Python knows nothing of it: only a process of one thread may, and the child is to become another program.
    """
    asked = _Clone(flags=namespaces, signal=_CHILD_ENDED)
    child = _library.syscall(ctypes.c_long(_CLONE3), ctypes.byref(asked), ctypes.c_size_t(ctypes.sizeof(asked)))
    number = _CLONE.get(os.uname().machine)
    if child < 0 and ctypes.get_errno() == errno.ENOSYS and number is not None:
        none = ctypes.c_long(0)
        child = _library.syscall(ctypes.c_long(number), ctypes.c_long(namespaces | _CHILD_ENDED), none, none, none, none)
    _done(child, "clone")
    return int(child)


def restrict(ruleset: int) -> None:
    """Restrict this process by Landlock, for ever."""
    _done(_library.syscall(ctypes.c_long(_RESTRICT_SELF), ctypes.c_int(ruleset), ctypes.c_uint32(0)), "landlock_restrict_self")


def mount(source: str, place: str, kind: str, flags: int, data: str = "") -> None:
    """Mount something at a place."""
    texts = [os.fsencode(each) for each in (source, place, kind)]
    _done(_library.mount(*texts, ctypes.c_ulong(flags), os.fsencode(data)), f"mount {source} at {place}")


def make_read_only(place: str) -> None:
    """A mount, with all that is mounted below it where the kernel can (Linux 5.12), and whatever else it is stays."""
    attributes = _Attributes(set=READ_ONLY)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    arguments = (ctypes.c_int(_HERE), os.fsencode(place), ctypes.c_uint(_BENEATH), ctypes.byref(attributes), size)
    if _library.syscall(ctypes.c_long(_MOUNT_SET_ATTRIBUTES), *arguments) == 0:
        return
    stated = os.statvfs(place).f_flag
    kept = stated & _KEPT | (_RELATIVE_TIME if stated & _STATED_RELATIVE_TIME else 0)
    mount("none", place, "", REMOUNT | BIND | READ_ONLY | kept)


def die_with_parent() -> None:
    """Be killed when the process that started this one ends."""
    _control(_PARENT_DEATH, 9)


def give_up_rights() -> None:
    """No right that root has is left to what is run from now on, nor is there a way to win one."""
    for capability in range(_CAPABILITIES):
        # The kernel knows fewer, and which is the last differs.
        if _library.prctl(_DROP_BOUNDING, ctypes.c_ulong(capability), 0, 0, 0) < 0:
            break
    else:
        capability = _CAPABILITIES
    if capability == 0:
        raise PermissionError("rights cannot be given up")
    _control(_AMBIENT, _CLEAR_ALL)
    _control(_NO_NEW_PRIVILEGES, 1)
    none = (ctypes.c_uint32 * 6)()
    _done(_library.capset(ctypes.byref(_Header(_CAPABILITY_VERSION, 0)), none), "capset")


def _control(what: int, value: int) -> None:
    _done(_library.prctl(ctypes.c_int(what), ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)), "prctl")


def _done(result: int, what: str) -> None:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
