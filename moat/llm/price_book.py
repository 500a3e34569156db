"""Keeps each price sheet that a call was billed by, so that its cost can be worked out again at any time."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from moat.database import Database
from moat.errors import NotFound
from moat.llm.prices import Bill, PriceSheet, recompute
from moat.tables import CallRow, PriceSheetRow


class PriceBook:
    """The sheets of one catalog."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: set[str] = set()

    def keep(self, sheet: PriceSheet) -> str:
        """Store a sheet unless it is there; gives its version."""
        version = sheet.version
        if version not in self._kept:
            with self._database.transaction() as session:
                self._database.lock(session, f"price sheet/{version}")
                if session.get(PriceSheetRow, version) is None:
                    session.add(PriceSheetRow(version=version, body=sheet.to_json()))
            self._kept.add(version)
        return version


def find(session: Session, version: str) -> PriceSheet:
    """Read a sheet back; raises NotFound for calls of before sheets were kept."""
    body = session.scalar(select(PriceSheetRow.body).where(PriceSheetRow.version == version))
    if body is None:
        raise NotFound(f"The prices {version!r} are not kept.", "Calls of before this version cannot be priced anew.")
    return PriceSheet.from_json(body)


def bill_again(session: Session, row: CallRow, sheet: PriceSheet | None = None) -> Bill:
    """Price a stored call anew, by its own prices or by others."""
    return recompute(row.status, row.raw_usage, sheet or find(session, row.price_version), row.ceiling_usd)
