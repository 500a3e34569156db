"""A workshop whose worker follows sources that a test states."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from moat.records import DocumentState
from moat.source_settings import SourceSettings
from moat.sources import approve, ask, find_row
from moat.tables import Document, DocumentAccess, SourceRow
from tests.fakes.reader import NAME
from tests.fakes.workshop import Workshop
from workers.parts import Parts
from workers.sources.run import run_source


def page(number: int, said: str = "has a window", **metadata: Any) -> list[Any]:
    """Write one step of a script: a page of the wiki."""
    return [f"room-{number}", f"Room {number} {said}.", metadata]


TEN = [page(number) for number in range(10)]


class Followed:
    """One source called `wiki` into the workshop's corpus."""

    def __init__(self, shop: Workshop, folder: Path) -> None:
        self.shop, self.folder = shop, folder
        self.script = folder / "script.json"
        self.source = SourceSettings(folder=folder)

    def pages(self, *steps: Any, **options: Any) -> SourceRow:
        """Run the scripted reader over these steps."""
        self.script.write_text(json.dumps(steps))
        stated = {"reader": NAME, "arguments": {"script": str(self.script)}, "access": ("staff",)}
        return self.run(**(stated | options))

    def run(self, **options: Any) -> SourceRow:
        """State the source, have it run, and give its row."""
        self.state(**options)
        self.ask()
        return self.again()

    def state(self, **options: Any) -> None:
        self.source = SourceSettings(**options)
        self.shop.parts = self.parts("first")

    def parts(self, worker: str) -> Parts:
        update = {"sources": {"wiki": self.source}, "readers": self.shop.settings.readers.model_copy()}
        update["readers"] = update["readers"].model_copy(update={"allow": (NAME,)})
        return replace(self.shop.worker(worker), settings=self.shop.settings.model_copy(update=update))

    def ask(self, *, dry_run: bool = False) -> None:
        with self.shop.database.transaction() as session:
            ask(find_row(session, "wiki", self.shop.database), dry_run=dry_run)

    def approve(self) -> int:
        with self.shop.database.transaction() as session:
            return approve(find_row(session, "wiki", self.shop.database))

    def again(self) -> SourceRow:
        run_source("wiki", self.source, self.shop.parts)
        return self.row()

    def row(self) -> SourceRow:
        with self.shop.database.reading() as session:
            return session.get_one(SourceRow, "wiki")

    def let_lease_end(self) -> None:
        with self.shop.database.transaction() as session:
            row = session.get_one(SourceRow, "wiki")
            row.lease_until = row.lease_until and row.lease_until - timedelta(hours=1)

    def documents(self) -> dict[str, Document]:
        with self.shop.database.reading() as session:
            live = select(Document).where(Document.state != DocumentState.DELETING)
            return {document.key: document for document in session.scalars(live)}

    def keys(self) -> set[str]:
        return {key.removeprefix("wiki/") for key in self.documents()}

    def readers(self, key: str) -> set[str]:
        wanted = self.documents()[f"wiki/{key}"].id
        with self.shop.database.reading() as session:
            mine = select(DocumentAccess.principal).where(DocumentAccess.document_id == wanted)
            return set(session.scalars(mine))
