"""Linux's Landlock: from here on this process and its children change files in one folder only, and reach no TCP."""

import ctypes
import os
import sys
from pathlib import Path

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446  # the calls' numbers, the same on every architecture
_WANT_VERSION = 1
_BENEATH = 1
_WRITE = 1 << 1
_TRUNCATE = 1 << 14
_CHANGES = _WRITE | sum(1 << bit for bit in range(4, 13))  # remove and make: files, folders, links, sockets, devices
_MOVE = 1 << 13
_TCP = 0b11  # bind, connect
_SCOPES = 0b11  # abstract sockets of others, signals to others


class _Rules(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def confine(folder: Path) -> bool:
    """Allow changes beneath `folder` alone, for good; False where the kernel has no Landlock.

    Reading stays as it is. Call it before any thread is started, with no new privileges already given up.
    """
    version = landlock_version()
    if version < 1:
        return False
    changes = _CHANGES | (_MOVE if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)
    rules = _Rules(changes, _TCP if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = _call(_CREATE, ctypes.byref(rules), size, 0)
    try:
        _allow(ruleset, folder, changes)
        _allow(ruleset, Path(os.devnull), changes & (_WRITE | _TRUNCATE))
        _call(_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)
    return True


def landlock_version() -> int:
    """Tell which Landlock the kernel has, 0 for none."""
    if sys.platform != "linux":
        return 0
    try:
        return _call(_CREATE, None, 0, _WANT_VERSION)
    except OSError:  # not built in, or switched off
        return 0


def _allow(ruleset: int, place: Path, changes: int) -> None:
    opened = os.open(place, os.O_PATH | os.O_CLOEXEC)
    try:
        _call(_ADD_RULE, ruleset, _BENEATH, ctypes.byref(_Beneath(changes, opened)), 0)
    finally:
        os.close(opened)


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result: int = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
