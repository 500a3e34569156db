"""Calls in the ledger, made by hand, and their sums."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from moat import ledger
from moat.costs import costs
from moat.database import Database
from moat.records import Reader, Usage

ADMIN = Reader(key_id=None, user="root", scopes=frozenset({"admin"}))
ANN = Reader(key_id=None, user="ann")


def opened(
    database: Database,
    reader: Reader = ANN,
    corpora: tuple[str, ...] = ("hr",),
    model: str = "small",
    ceiling: Decimal = Decimal(1),
    lasts: timedelta = timedelta(minutes=1),
) -> UUID:
    context = ledger.CallContext(uuid4(), reader, corpora)
    return ledger.open_call(
        database,
        context,
        provider="fake",
        model=model,
        attempt=1,
        ceiling_usd=ceiling,
        price_version="test",
        lasts_at_most=lasts,
    )


def spent(
    database: Database, cost: str, reader: Reader = ANN, corpora: tuple[str, ...] = ("hr",), model: str = "small"
) -> None:
    settled(database, opened(database, reader, corpora, model), cost)


def settled(database: Database, call_id: UUID, cost: str) -> None:
    ledger.settle(database, call_id, usage=Usage(10, 4, 2, 1), cost_usd=Decimal(cost), status="ok")


def grouped(database: Database, *names: str, reader: Reader = ADMIN) -> dict[tuple[str, ...], Decimal]:
    with database.reading() as session:
        return {line.group: line.cost_usd for line in costs(session, reader, group_by=names)}
