"""Alerts of budgets are raised once a period and told until somebody has taken them."""

import json
import logging
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from moat.budget_alerts import tell
from moat.budgets import Wish, set_budget
from moat.database import Database
from moat.errors import BudgetExceeded, FetchFailed, FetchRefused, MoatError
from moat.fetch import Fetcher
from moat.settings import FetchSettings
from moat.tables import BudgetAlert, utc_now
from tests.fakes.catalogs import database
from tests.fakes.spending import ADMIN, opened, spent

HOOK = "http://hooks.example/alerts?token=secret"


class Hook:
    """Takes what is posted, or fails as it was told."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.problem: MoatError | None = None

    def post(self, url: str, body: dict[str, Any]) -> None:
        assert url == HOOK
        if self.problem is not None:
            raise self.problem
        self.taken.append(body)


__all__ = ["database"]


def limit(database: Database, usd: str, *, hard: bool = True) -> None:
    with database.transaction() as session:
        set_budget(database, session, ADMIN, Wish("user", "ann", "day", Decimal(usd), hard))


def raised(database: Database) -> list[int]:
    with database.reading() as session:
        return list(session.scalars(select(BudgetAlert.percent).order_by(BudgetAlert.percent)))


def test_each_part_is_told_once(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    limit(database, "1", hard=False)
    hook = Hook()
    told: list[list[int]] = []
    for cost in ("0.49", "0.01", "0.2", "0.1", "0.2", "5"):
        spent(database, cost)
        before = len(hook.taken)
        with caplog.at_level(logging.WARNING):
            tell(database, HOOK, hook)
        told.append([body["percent"] for body in hook.taken[before:]])
    assert told == [[], [50], [], [80], [100], []]
    assert hook.taken[1]["text"] == "The budget of the user ann for the day has reached 80 %: $0.8 of $1 is spent."
    assert len({body["id"] for body in hook.taken}) == 3
    assert sum("budget alert" in record.message for record in caplog.records) == 3


def test_hard_budget_is_used_up_when_it_begins_to_refuse(database: Database) -> None:
    limit(database, "1")
    spent(database, "0.45")
    for _ in range(2):
        with pytest.raises(BudgetExceeded):
            opened(database, ceiling=Decimal("0.6"))
    assert raised(database) == [100]


def test_several_parts_at_once_are_all_told(database: Database) -> None:
    spent(database, "3")
    limit(database, "3.5")
    assert raised(database) == [50, 80]
    limit(database, "3.5")
    limit(database, "10")
    assert raised(database) == []
    limit(database, "3", hard=False)
    assert raised(database) == [50, 80, 100]


def test_webhook_that_is_away_is_tried_again_later_and_the_log_is_not_written_twice(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    limit(database, "1")
    spent(database, "0.5")
    hook = Hook()
    hook.problem = FetchFailed("away")
    with caplog.at_level(logging.WARNING):
        tell(database, HOOK, hook)
        hook.problem = None
        tell(database, HOOK, hook)
        assert hook.taken == [], "not before its time"
        with database.transaction() as session:
            session.execute(update(BudgetAlert).values(next_try_at=utc_now() - timedelta(seconds=1)))
        tell(database, HOOK, hook)
    assert len(hook.taken) == 1
    assert sum("budget alert" in record.message for record in caplog.records) == 1


def test_address_that_may_not_be_called_is_not_tried_again(database: Database) -> None:
    limit(database, "1")
    spent(database, "0.5")
    hook = Hook()
    hook.problem = FetchRefused("not public")
    tell(database, HOOK, hook)
    with database.reading() as session:
        assert session.scalars(select(BudgetAlert.told_at)).one() is not None


def posting(answers: int, sent: list[httpx.Request], allow: str = "") -> Fetcher:
    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(answers, headers={"location": "http://10.0.0.1/"})

    settings = FetchSettings(allow_hosts=(allow,) if allow else ())
    return Fetcher(settings, lambda *_: ["10.1.2.3" if allow else "93.184.216.34"], httpx.MockTransport(answer))


def test_alert_is_posted_as_json_to_the_checked_address_alone(database: Database) -> None:
    limit(database, "1")
    spent(database, "0.5")
    sent: list[httpx.Request] = []
    tell(database, HOOK, posting(204, sent))
    (request,) = sent
    assert (request.method, request.url.host, request.headers["host"]) == ("POST", "93.184.216.34", "hooks.example")
    assert json.loads(request.content)["percent"] == 50


@pytest.mark.parametrize("status", [302, 404, 500])
def test_answer_other_than_success_is_a_failure_and_no_redirect_is_followed(status: int) -> None:
    sent: list[httpx.Request] = []
    with pytest.raises(FetchFailed):
        posting(status, sent).post(HOOK, {})
    assert len(sent) == 1


def test_host_of_the_intranet_must_be_allowed() -> None:
    sent: list[httpx.Request] = []
    posting(200, sent, allow="hooks.example").post(HOOK, {})
    assert sent[0].url.host == "10.1.2.3"
    refusing = Fetcher(FetchSettings(), lambda *_: ["10.1.2.3"])
    with pytest.raises(FetchRefused, match="not on the open internet"):
        refusing.post(HOOK, {})
