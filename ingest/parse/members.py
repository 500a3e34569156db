"""The files inside a file: members of an archive, attachments of a mail. It runs in the sandbox's child."""

import email
import email.policy
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from email.message import Message
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ingest.parse.archive import check_expansion
from ingest.parse.mail import header_text, is_attachment
from moat.errors import ParsingFailed

LONGEST_PATH = 400
_PIECE = 1 << 20
_LITTER = frozenset({".ds_store", "thumbs.db", "desktop.ini"})


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """How much may come out of one file."""

    members: int
    member_bytes: int
    total_bytes: int
    max_expansion: int


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The paths of what was unpacked; member number n lies in the file `member_name(n)`."""

    paths: tuple[str, ...]
    warnings: tuple[str, ...]

    def to_wire(self) -> dict[str, Any]:
        return asdict(self)


def member_name(number: int) -> str:
    """Name the file a member is unpacked to: nothing of its own name is used on the disk."""
    return f"member-{number}"


def unpack(path: Path, media_type: str, name: str, folder: Path, limits: UnpackLimits) -> Unpacked:
    """Write every member into `folder`; raises `ParsingFailed` when there are too many or they are too large."""
    if media_type == "application/zip":
        check_expansion(path, name, limits.max_expansion)
        with zipfile.ZipFile(path) as archive:
            return _written(_zip_streams(archive, name), name, folder, limits)
    if media_type == "message/rfc822":
        return _written(_attachments(path), name, folder, limits)
    if media_type == "application/vnd.ms-outlook":
        from ingest.parse.msg import attachments

        return _written(((stated, BytesIO(held)) for stated, held in attachments(path, name)), name, folder, limits)
    raise ParsingFailed(f"{name!r} holds no other files.", "Only archives and mail do.")


def archive_members(path: Path, name: str) -> list[str]:
    """List the paths of an archive's files, without folders and the litter of operating systems."""
    with zipfile.ZipFile(path) as archive:
        return [printable(info.filename) for info in _wanted(archive)]


def printable(path: str) -> str:
    """Make a member's name one that can stand in a key."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in path)


def _wanted(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    return [info for info in archive.infolist() if not info.is_dir() and not _is_litter(info.filename)]


def _is_litter(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return not parts or parts[0] == "__MACOSX" or parts[-1].lower() in _LITTER


Named = tuple[str, IO[bytes]]


def _zip_streams(archive: zipfile.ZipFile, name: str) -> Iterator[Named]:
    for info in _wanted(archive):
        try:
            stream = archive.open(info)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise ParsingFailed(
                f"{info.filename!r} in {name!r} cannot be unpacked.", "Pack the archive again, without a password."
            ) from error
        with stream:
            yield info.filename, stream


def _attachments(path: Path) -> Iterator[Named]:
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.compat32)
    for number, part in enumerate((p for p in message.walk() if is_attachment(p)), 1):
        payload = part.get_payload(decode=True)
        if isinstance(payload, bytes):
            yield _attachment_name(part, number), BytesIO(payload)


def _attachment_name(part: Message, number: int) -> str:
    stated = header_text(part.get_filename() or "").replace("\\", "/").rsplit("/", 1)[-1]
    return stated or f"attachment-{number}"


def _written(members: Iterator[Named], name: str, folder: Path, limits: UnpackLimits) -> Unpacked:
    paths: list[str] = []
    warnings: list[str] = []
    total = 0
    for stated, stream in members:
        path, problem = _safe_path(stated)
        if path in paths:
            path, problem = path, "another file in it has the same path"
        if problem:
            warnings.append(f"{printable(stated)[:LONGEST_PATH]}: {problem}.")
            continue
        if len(paths) == limits.members:
            raise ParsingFailed(
                f"{name!r} holds more than {limits.members:,} files.",
                "Split it, or raise MOAT_UPLOAD__MAX_MEMBERS.",
            )
        target = folder / member_name(len(paths))
        size = _copy(stream, target, min(limits.member_bytes, limits.total_bytes - total), stated, name)
        if size is None and total + limits.member_bytes > limits.total_bytes:
            raise ParsingFailed(
                f"{name!r} unpacks to more than {limits.total_bytes:,} bytes.",
                "Split it, or raise MOAT_UPLOAD__MAX_UNPACKED_BYTES.",
            )
        if size is None:
            warnings.append(f"{path}: it is over {limits.member_bytes:,} bytes.")
            continue
        total += size
        paths.append(path)
    return Unpacked(tuple(paths), tuple(warnings))


def _safe_path(stated: str) -> tuple[str, str]:
    """Give the path to keep, and what is wrong with it, if anything."""
    path = PurePosixPath(printable(stated).replace("\\", "/"))
    parts = [part for part in path.parts if part not in ("/", ".")]
    kept = "/".join(parts)
    if ".." in parts:
        return kept, "its path leads out of the archive"
    if not kept or len(kept) > LONGEST_PATH:
        return kept, f"its path is empty or over {LONGEST_PATH} characters"
    return kept, ""


def _copy(stream: IO[bytes], target: Path, most: int, stated: str, name: str) -> int | None:
    """Copy a member and give its size; None, and no file, when it is over `most` bytes."""
    size = 0
    try:
        with target.open("wb") as file:
            while piece := stream.read(_PIECE):
                size += len(piece)
                if size > most:
                    break
                file.write(piece)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        raise ParsingFailed(
            f"{stated!r} in {name!r} is damaged.", "Pack the archive again and send the new one."
        ) from error
    if size > most:
        target.unlink()
        return None
    return size
