"""Routes of the audit log."""

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse, StreamingResponse
from sqlalchemy import Select, select

from moat.audit import entry_of_row, head_of
from moat.errors import InvalidRequest
from moat.tables import AuditRow
from services.admin.audit_schemas import EntryPage, HeadShape
from services.dependencies import Admin, PartsOf
from services.parts import Parts
from services.schemas import Moment

router = APIRouter(prefix="/v1/audit", tags=["audit"])
_PIECE = 1_000
_LINES: dict[int | str, dict[str, Any]] = {200: {"content": {"application/jsonl": {}}}}
_Text = Annotated[str | None, Query(max_length=300)]


@router.get("", response_model=EntryPage, responses=_LINES)
def list_entries(
    reader: Admin,
    parts: PartsOf,
    user: _Text = None,
    action: _Text = None,
    object: _Text = None,
    since: Moment | None = None,
    until: Moment | None = None,
    order: Annotated[Literal["newest", "oldest"], Query()] = "newest",
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    cursor: Annotated[str | None, Query(max_length=30)] = None,
    format: Annotated[Literal["json", "jsonl"], Query()] = "json",
) -> Response:
    """List who did what; with `format=jsonl` everything that fits, oldest first, an entry a line."""
    statement = select(AuditRow)
    for column, wanted in ((AuditRow.user, user), (AuditRow.action, action), (AuditRow.object, object)):
        if wanted is not None:
            statement = statement.where(column == wanted.replace("\0", ""))
    if since is not None:
        statement = statement.where(AuditRow.at >= since)
    if until is not None:
        statement = statement.where(AuditRow.at < until)
    if format == "jsonl":
        return StreamingResponse(_lines(statement, parts), media_type="application/jsonl")
    if cursor is not None:
        place = _place(cursor)
        statement = statement.where(AuditRow.seq < place if order == "newest" else AuditRow.seq > place)
    statement = statement.order_by(AuditRow.seq.desc() if order == "newest" else AuditRow.seq)
    with parts.database.reading() as session:
        rows = session.scalars(statement.limit(limit + 1)).all()
    items = [_item(row) for row in rows[:limit]]
    return JSONResponse({"items": items, "next_cursor": str(items[-1]["seq"]) if len(rows) > limit else None})


@router.get("/head")
def get_head(reader: Admin, parts: PartsOf) -> HeadShape:
    """Show the newest entry's number and hash, to be written down where this catalog's administrator cannot reach."""
    with parts.database.reading() as session:
        head = head_of(session)
    return HeadShape(seq=head.seq, hash=head.hash)


def _lines(statement: Select[AuditRow], parts: Parts) -> Iterator[str]:
    """Write the entries a piece at a time: a reader who is slow must not hold the catalog's log open."""
    last = 0
    while True:
        with parts.database.reading() as session:
            rows = session.scalars(statement.where(AuditRow.seq > last).order_by(AuditRow.seq).limit(_PIECE)).all()
        yield "".join(json.dumps(_item(row), ensure_ascii=False) + "\n" for row in rows)
        if len(rows) < _PIECE:
            return
        last = rows[-1].seq


def _item(row: AuditRow) -> dict[str, Any]:
    return {**entry_of_row(row).fields(), "hash": row.hash}


def _place(cursor: str) -> int:
    if not cursor.isascii() or not cursor.isdigit() or int(cursor) >= 2**63:
        raise InvalidRequest("The cursor is not one of ours.", "Use next_cursor of the page before, unchanged.")
    return int(cursor)
