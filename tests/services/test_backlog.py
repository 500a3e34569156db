"""Too much work is refused for a while, work can be cancelled, and its end is estimated."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from moat.access import Rule
from moat.backlog import seconds_left
from moat.tables import Indexing, utc_now
from tests.fakes.api import Api, problem

LUNCH = "Lunch is served at noon in the canteen.\n"
LATER = "Lunch is served at one in the canteen.\n"


def queue_of(api: Api, id_: str) -> str:
    with api.database.reading() as session:
        return session.scalars(select(Indexing.queue).where(Indexing.document_id == UUID(id_))).one()


def cancel(api: Api, id_: str) -> Any:
    return api.admin.post(f"/v1/documents/{id_}/cancel")


def test_a_backlog_over_the_limit_is_answered_with_when_to_come_back(tmp_path: Path) -> None:
    api = Api(tmp_path, upload={"max_backlog": 2})
    for number in range(3):
        assert api.upload(f"{number}.txt", f"{LUNCH} {number}").status_code == 202
    refused = api.upload("more.txt", LUNCH)
    problem(refused, 429)
    assert int(refused.headers["retry-after"]) > 0
    api.work()
    assert api.upload("more.txt", LUNCH).status_code == 202
    api.close()


def test_many_files_in_one_call_wait_behind_a_few(api: Api) -> None:
    few = api.upload("a.txt", LUNCH).json()["items"][0]["id"]
    stated = api.upload("b.txt", LUNCH, priority="bulk").json()["items"][0]["id"]
    many = api.admin.post(
        "/v1/corpora/default/documents", files=[("files", (f"{n}.txt", f"{LUNCH} {n}".encode())) for n in range(21)]
    )
    assert queue_of(api, few) == "ingest"
    assert queue_of(api, stated) == queue_of(api, many.json()["items"][0]["id"]) == "bulk"
    problem(api.upload("c.txt", LUNCH, priority="now"), 422)


def test_a_queued_document_is_cancelled_and_can_be_retried(api: Api) -> None:
    id_ = api.upload("a.txt", LUNCH).json()["items"][0]["id"]
    cancelled = cancel(api, id_)
    assert (cancelled.status_code, cancelled.json()["state"]) == (202, "cancelled")
    api.work()
    assert api.admin.get(f"/v1/documents/{id_}").json()["state"] == "cancelled"
    problem(cancel(api, id_), 409)
    assert api.admin.post(f"/v1/documents/{id_}/retry").status_code == 202
    api.work()
    assert api.admin.get(f"/v1/documents/{id_}").json()["state"] == "ready"


def test_cancelling_a_new_version_leaves_the_old_one_serving(api: Api) -> None:
    id_ = api.add("a.txt", LUNCH)
    api.upload("a.txt", LATER)
    assert cancel(api, id_).json()["serving_version"] == 1
    api.work()
    found = api.admin.post("/v1/search", json={"question": "When is lunch served?"}).json()["passages"]
    assert [passage["text"] for passage in found] == [LUNCH.strip()]


def test_a_worker_whose_document_is_cancelled_stops_and_leaves_no_points(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    upsert = api.vectors.upsert

    def cancelled_meanwhile(*args: Any) -> None:
        upsert(*args)
        assert cancel(api, id_).status_code == 202

    id_ = api.upload("a.txt", LUNCH).json()["items"][0]["id"]
    with monkeypatch.context() as patch:
        patch.setattr(api.vectors, "upsert", cancelled_meanwhile)
        api.work()
    api.work()
    assert api.admin.get(f"/v1/documents/{id_}").json()["state"] == "cancelled"
    assert api.admin.post("/v1/search", json={"question": "When is lunch served?"}).json()["passages"] == []
    assert [list(api.vectors.ids(name)) for name in api.vectors.collections()] == [[]]


def test_the_time_left_is_what_waits_by_the_pace_of_late(api: Api) -> None:
    for number in range(10):
        api.add(f"{number}.txt", f"{LUNCH} {number}")
    page = api.admin.get("/v1/corpora/default/documents").json()
    assert page["seconds_left"] == 0
    other = api.corpus("other")
    now = utc_now()
    with api.database.transaction() as session:
        session.execute(update(Indexing).values(finished_at=now - timedelta(seconds=20)))  # ten in twenty seconds
    for number in range(5):
        api.upload(f"more {number}.txt", f"{LATER} {number}")
    with api.database.reading() as session:
        assert seconds_left(session, Rule(None), api.corpus_id("default"), now) == 10
        assert seconds_left(session, Rule(None), other, now) == 0
    api.upload("one.txt", LATER, corpus="other")
    with api.database.reading() as session:
        assert seconds_left(session, Rule(None), other, now) == 4  # its turn comes after one of the others
        assert seconds_left(session, Rule(None), api.corpus_id("default"), now) == 12
