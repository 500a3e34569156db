"""What a source holds at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Item:
    """One thing of a source, as a file on this machine; `groups` None means that the source states none."""

    path: Path
    key: str
    size: int
    groups: tuple[str, ...] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    filename: str = ""  # the key where there is no other


@dataclass(frozen=True, slots=True)
class Listing:
    """What a source holds; with `missing` it is only a part, and says nothing about what is gone."""

    items: tuple[Item, ...]
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def quiet() -> None:
    """What a look does between two things where nobody may stop it."""
