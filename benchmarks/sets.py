"""Whole evaluation sets as files to upload."""

import gzip
import hashlib
import json
import random
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.workload import Workload, data_folder
from moat.errors import NotFound

DOCUMENTATION = "big_dev_msdocs"
# A copy follows its first this many pages later, when that one is indexed: copies in work at once cannot share.
COPIES_LATER = 100


def company_files() -> Workload:
    """Take every file of the evaluation set `co_dev`."""
    root = set_folder("co_dev") / "docs"
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    random.Random(0).shuffle(names)
    return Workload("co_dev", root, tuple(names))


def documentation_pages(into: Path, most: int | None, seed: int) -> Workload:
    """Unpack the pages of `big_dev_msdocs`, all or a seeded sample, in an order of like tenths."""
    pages = _documentation()
    if most is not None:
        pages = random.Random(seed).sample(pages, min(most, len(pages)))
    contents = {}
    for page in pages:
        target = into / page["_id"]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page["text"], encoding="utf-8")
        contents[page["_id"]] = hashlib.sha256(page["text"].encode()).digest()
    return Workload(DOCUMENTATION, into, tuple(in_like_tenths(contents.items(), seed)))


def documentation_texts() -> dict[str, str]:
    """Give every page of `big_dev_msdocs` by its name, with the title, which was taken off the pages themselves."""
    return {page["_id"]: f"{page['title']}\n{page['text']}" for page in _documentation()}


def _documentation() -> list[dict[str, str]]:
    with gzip.open(set_folder(DOCUMENTATION) / "corpus.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def in_like_tenths(contents: Iterable[tuple[str, bytes]], seed: int, later: int = COPIES_LATER) -> Iterator[str]:
    """Order names so that copies are spread evenly, each about `later` names behind the first of its content."""
    alike: dict[bytes, list[str]] = defaultdict(list)
    for name, content in contents:
        alike[content].append(name)
    groups = list(alike.values())
    random.Random(seed).shuffle(groups)
    copies = sum(len(group) - 1 for group in groups)
    share, owed, given = copies / max(1, len(groups)), 0.0, 0
    waiting: deque[tuple[int, str]] = deque()
    for first, *others in groups:
        yield first
        given += 1
        waiting.extend((given + later, other) for other in others)
        owed += share
        while owed >= 1 and waiting and waiting[0][0] <= given:
            yield waiting.popleft()[1]
            given += 1
            owed -= 1
    yield from (name for _, name in waiting)


def set_folder(name: str) -> Path:
    """Give the folder of an evaluation set; raises `NotFound` where it was not unpacked."""
    folder = data_folder() / name
    if not folder.is_dir():
        raise NotFound(f"The evaluation set {folder} is not there.", f"Set MOAT_DATA to the folder that holds {name}.")
    return folder
