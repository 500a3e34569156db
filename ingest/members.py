"""What a sandbox's child unpacked, checked again by the process that does not trust it."""

import json
from dataclasses import dataclass
from pathlib import Path

from ingest.parse.members import LONGEST_PATH, UnpackLimits, member_name, printable
from moat.errors import ParserCrashed


@dataclass(frozen=True, slots=True)
class Member:
    """A file out of a file: its path inside, and where its bytes lie for now."""

    path: str
    file: Path


@dataclass(frozen=True, slots=True)
class Members:
    """Everything that came out of a file, and what did not."""

    members: tuple[Member, ...]
    warnings: tuple[str, ...]


def read_members(reply: bytes, folder: Path, limits: UnpackLimits) -> Members:
    """Read a child's reply; raises `ParserCrashed` where it claims what a sound child never would."""
    told = json.loads(reply)
    paths = [str(path) for path in told["paths"]]
    members = tuple(Member(path, folder / member_name(n)) for n, path in enumerate(paths))
    if len(members) > limits.members or not all(_is_sound(m, limits.member_bytes) for m in members):
        raise ParserCrashed("The unpacking child handed back what it never should.", "It is tried again by itself.")
    return Members(members, tuple(str(warning) for warning in told["warnings"]))


def _is_sound(member: Member, most_bytes: int) -> bool:
    path, file = member.path, member.file
    named = 0 < len(path) <= LONGEST_PATH and path == printable(path) and ".." not in path.split("/")
    return named and not file.is_symlink() and file.is_file() and file.stat().st_size <= most_bytes
