"""A folder as a source of documents."""

import os
from collections.abc import Callable
from pathlib import Path

from moat.errors import InvalidRequest
from workers.sources.listing import Item, Listing, quiet


def list_folder(folder: Path, prefix: str, *, links_leave: bool = True, alive: Callable[[], None] = quiet) -> Listing:
    """List a folder's files, with keys under the prefix; hidden ones are skipped.

    Without `links_leave`, a link to a file outside the folder is not followed: whoever may write into the folder
    would publish with it whatever this process may read.
    """
    if not folder.is_dir():
        raise InvalidRequest(f"{folder} is not a folder.", "Check the path; it is relative to where you are.")
    root = folder.resolve()
    missing: list[str] = []
    warnings: list[str] = []
    items: list[Item] = []
    for parent, folders, names in os.walk(folder, onerror=lambda error: missing.append(str(error))):
        alive()
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in names if not name.startswith(".")):
            path = Path(parent, name)
            try:
                if not links_leave and not path.resolve().is_relative_to(root):
                    warnings.append(f"{path} leads out of the folder and is not followed.")
                elif path.is_file() and os.access(path, os.R_OK):
                    items.append(Item(path, _key(path, folder, prefix), path.stat().st_size))
                elif not path.exists() or path.is_file():  # a broken link, or one that may not be read
                    missing.append(f"{path} cannot be read")
            except OSError as error:
                missing.append(str(error))
    return Listing(tuple(items), tuple(missing), tuple(warnings))


def _key(path: Path, folder: Path, prefix: str) -> str:
    return prefix + os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "replace")
