"""The settings of sources that the worker follows by itself: a folder, web pages, or a reader from the allowlist."""

import re
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from moat.section import Section

_EVERY = re.compile(r"every (\d{1,5}) ?([smhd])")
_CRON = re.compile(r"[\d*/,\-A-Za-z]+( [\d*/,\-A-Za-z]+){4}")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class ReadersSettings(Section):
    allow: tuple[str, ...] = Field(
        (), description="Classes that sources may read with, e.g. 'llama_index.core.readers.json.JSONReader'."
    )


class SourceSettings(Section):
    """One source: exactly one of `folder`, `urls`, `sitemap` and `reader`, and who may read what it brings."""

    folder: Path | None = Field(None, description="A folder that the worker can read, with all below it.")
    urls: tuple[str, ...] = Field((), description="Addresses of pages.")
    sitemap: str = Field("", description="Address of a sitemap.")
    reader: str = Field("", description="A llama-index reader, by its dotted path; it must be in readers.allow.")
    arguments: dict[str, Any] = Field({}, repr=False, description="What the reader is made with.")
    load: dict[str, Any] = Field({}, repr=False, description="What its load_data is called with.")
    network: tuple[str, ...] = Field(
        (), description="Hosts, or host:port, that the reader may connect to; '*' is any, empty is none."
    )
    corpus: str = Field("default", min_length=1, description="Corpus by name or id.")
    access: tuple[str, ...] = Field((), description="Groups that may read all of it.")
    access_from: str = Field("", description="Key of the metadata in which the reader states a document's groups.")
    groups: dict[str, tuple[str, ...]] = Field(
        {}, description="For access_from: the source's group, and Moat's groups that it stands for."
    )
    id_from: str = Field("", description="Key of the metadata to take for the document's id, when the own changes.")
    text_as: Literal["txt", "md", "html"] = Field("txt", description="What the reader's text is written in.")
    schedule: str = Field("", description="'every 6h' or five fields of cron in UTC; empty: only when asked.")
    wall_s: float = Field(3600, gt=0, le=86_400, description="Longest that reading the source may take.")
    cpu_s: int = Field(1800, ge=1, description="CPU seconds that the reader may take.")
    memory_bytes: int = Field(2_000_000_000, ge=200_000_000, description="Address space of the reader's process.")
    max_documents: int = Field(100_000, ge=1, description="Most documents taken; more leave the listing partial.")
    max_bytes: int = Field(2_000_000_000, ge=1_000, description="Most text that the reader may hand over.")

    @property
    def kind(self) -> str:
        return "folder" if self.folder else "reader" if self.reader else "web"

    @property
    def states_access(self) -> bool:
        return bool(self.access or (self.access_from and self.groups))

    @property
    def every_s(self) -> int | None:
        """The seconds of 'every ...'; None for cron and for no schedule."""
        found = _EVERY.fullmatch(self.schedule)
        return int(found[1]) * _SECONDS[found[2]] if found else None

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if sum(map(bool, (self.folder, self.urls, self.sitemap, self.reader))) != 1:
            raise ValueError("state exactly one of folder, urls, sitemap and reader")
        if self.kind != "reader" and (self.access_from or self.id_from or self.network or self.arguments or self.load):
            raise ValueError("access_from, id_from, network, arguments and load belong to a reader")
        if self.access and self.access_from:
            raise ValueError("state access for all of it, or access_from with groups, not both")
        if self.schedule and not (self.every_s or _CRON.fullmatch(self.schedule)):
            raise ValueError("write the schedule as 'every 6h' (s, m, h, d) or as five fields of cron")
        if self.folder is not None and not self.folder.expanduser().is_absolute():
            raise ValueError("write the folder's whole path")
        return self
