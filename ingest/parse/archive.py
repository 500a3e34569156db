"""Refuse an archive that would grow out of all proportion, before a parser unpacks it."""

import zipfile
from pathlib import Path

from moat.errors import ParsingFailed

MAX_MEMBERS = 20_000
# Below this nothing can hurt, however well it is packed.
HARMLESS_BYTES = 20_000_000
_HINT = "Look where the file comes from; if it can be trusted, raise MOAT_SANDBOX__MAX_EXPANSION."


def check_expansion(path: Path, name: str, max_expansion: int) -> None:
    """Raise `ParsingFailed` for a damaged, encrypted or explosive archive.

    The declared sizes are enough: Python's zipfile, which every Office parser reads through, never gives more than a
    member's declared size.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError) as error:
        raise ParsingFailed(
            f"{name!r} is damaged: its archive cannot be opened.",
            "Open it with its program, save it again, and send the new file.",
        ) from error
    if len(members) > MAX_MEMBERS:
        raise ParsingFailed(f"{name!r} holds {len(members)} packed files, more than {MAX_MEMBERS}.", _HINT)
    if any(member.flag_bits & 1 for member in members):
        raise ParsingFailed(f"{name!r} is encrypted.", "Save it without a password and send it again.")
    unpacked = sum(member.file_size for member in members)
    packed = path.stat().st_size
    if unpacked > HARMLESS_BYTES and unpacked > packed * max_expansion:
        raise ParsingFailed(
            f"{name!r} grows {unpacked // max(packed, 1)} times when unpacked, more than the {max_expansion} allowed.",
            _HINT,
        )
