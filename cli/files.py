"""Which files an upload means, and the key each gets."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.output import counted
from moat.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to upload; `key` names its document in the corpus, across versions."""

    path: Path
    key: str
    size: int


def find_files(paths: Sequence[Path], root: Path | None, list_file: Path | None) -> list[LocalFile]:
    """List the files of these paths and of a list, with keys relative to the root or to the folder given.

    Raises InvalidRequest for a path that is missing or outside the root, and for two files with one key.
    """
    found = [LocalFile(path, key, path.stat().st_size) for path, key in _named(paths, root, list_file)]
    if not found:
        raise InvalidRequest(
            "There is no file to upload.", "Name files or folders, or give --list; hidden are skipped."
        )
    by_key: dict[str, Path] = {}
    for file in found:
        other = by_key.setdefault(file.key, file.path)
        if other is not file.path and not other.samefile(file.path):
            raise InvalidRequest(
                f"{other} and {file.path} would both have the key {file.key!r}, and one would replace the other.",
                "Give --root, a folder that holds both.",
            )
    return list({file.key: file for file in found}.values())


def _named(paths: Sequence[Path], root: Path | None, list_file: Path | None) -> Iterator[tuple[Path, str]]:
    listed = root or Path()
    meant = [(path, root or (path if path.is_dir() else path.parent)) for path in paths]
    for path, base in meant + [(path, listed) for path in _listed(list_file, listed)]:
        if not path.exists():
            raise InvalidRequest(f"{path} does not exist.", "Check the path; it is relative to where you are.")
        for file in _walk(path) if path.is_dir() else [path]:
            yield file, _key(file, base)


def _listed(list_file: Path | None, root: Path) -> list[Path]:
    if list_file is None:
        return []
    names = [line for line in list_file.read_text(encoding="utf-8").splitlines() if line.strip()]
    missing = [name for name in names if not (root / name).is_file()]
    if missing:
        first = ", ".join(missing[:3])
        raise InvalidRequest(
            f"{counted(len(missing), 'file')} of the {len(names):,} in {list_file} are not under {root}: {first}.",
            "Give the folder that the names are relative to with --root.",
        )
    return [root / name for name in names]


def _walk(folder: Path) -> Iterable[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if not name.startswith(".") and path.is_file():  # not a socket, not a broken link
                yield path


def _key(file: Path, base: Path) -> str:
    try:
        relative = Path(os.path.abspath(file)).relative_to(os.path.abspath(base))  # noqa: PTH100 (links stay as named)
    except ValueError:
        raise InvalidRequest(f"{file} is not under {base}.", "Give a --root that holds every path.") from None
    # A name that is not UTF-8 on the disk must still be one in the request.
    return os.fsencode(relative.as_posix()).decode("utf-8", "replace")
