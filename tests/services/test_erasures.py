"""Erasure, retention and export over the API: what is gone, what stays, and who is told."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from answering import answer as module
from answering.withhold import WITHHELD
from moat.documents import start_forgetting
from moat.tables import AnswerDocument, AnswerRow, CallRow, Document, Idempotency, Version, utc_now
from tests.fakes.api import Api, problem
from tests.fakes.documents import zipped
from tests.fakes.postgres import postgres, postgres_url
from workers.erasures import finish_erasures
from workers.retention import keep_no_longer

__all__ = ["postgres", "postgres_url"]

LUNCH = "The canteen serves lunch at noon every day."
ASKED = {"question": "When does the canteen serve lunch?"}


@pytest.fixture(params=["sqlite", "postgresql"])
def api(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    more: dict[str, Any] = {"erasure": {"wait_s": 0}, "retention": {"answers_days": 30}}
    if request.param == "postgresql":
        more["database"] = {"url": request.getfixturevalue("postgres_url")}
    made = Api(tmp_path, **more)
    yield made
    made.close()


def finish(api: Api) -> None:
    api.work()
    finish_erasures(api.worker)


def stored(api: Api) -> str:
    with api.database.reading() as session:
        return str([(row.body, row.status) for row in session.scalars(select(AnswerRow))]) + str(
            [row.response for row in session.scalars(select(Idempotency))]
        )


def test_an_erased_document_is_reported_gone_and_its_quotes_with_it(api: Api) -> None:
    ann, bob = api.person("ann"), api.person("bob")
    document = api.add("lunch.txt", LUNCH, client=ann)
    other = api.add("bus.txt", "The bus to the harbour leaves at six.")
    once = {"Idempotency-Key": "one"}
    answer = bob.post("/v1/answers", json=ASKED, headers=once).json()
    kept = bob.post("/v1/answers", json={"question": "When does the bus to the harbour leave?"}).json()
    assert answer["citations"][0]["document_id"] == document
    assert "lunch at noon" in stored(api)
    deletion = ann.delete(f"/v1/documents/{document}").json()
    report = ann.get(f"/v1/erasures/{deletion['erasure_id']}").json()
    assert report["state"] == "removing"
    # Before any worker came by, the answer shows nothing of it already.
    assert bob.get(f"/v1/answers/{answer['id']}").json()["answer"] == WITHHELD
    assert "lunch at noon" in stored(api)
    finish(api)
    assert "lunch at noon" not in stored(api)
    for again in (
        bob.get(f"/v1/answers/{answer['id']}").json(),
        bob.post("/v1/answers", json=ASKED, headers=once).json(),
    ):
        assert (again["answer"], again["citations"], again["withheld"]) == (WITHHELD, [], 1)
    assert bob.get(f"/v1/answers/{kept['id']}").json()["citations"] == kept["citations"]
    whole = api.admin.get(f"/v1/erasures/{deletion['erasure_id']}").json()
    assert whole["state"] == "done"
    assert whole["finished_at"]
    assert (whole["document_id"], whole["asked_by"], whole["reason"]) == (document, "ann", "request")
    assert whole["removed"]["documents"] == whole["removed"]["versions"] == whole["removed"]["chunks"] == 1
    assert whole["removed"]["answers"] == 2  # the other one was made with it at hand
    left = {name: found for name, found in whole["checked"].items() if name.endswith(("_left", "_shared"))}
    assert left == {"points_left": 0, "rows_left": 0, "blobs_left": 0, "blobs_shared": 0}
    # Who asked hears the end, but not how often others had it or asked about it; others hear nothing.
    short = ann.get(f"/v1/erasures/{deletion['erasure_id']}").json()
    assert short["state"] == "done"
    assert short["removed"] == {"documents": 1, "versions": 1, "chunks": 1}
    assert short["checked"] == {}
    problem(bob.get(f"/v1/erasures/{deletion['erasure_id']}"), 404)
    problem(bob.get("/v1/erasures"), 403)
    assert [item["id"] for item in api.admin.get("/v1/erasures").json()["items"]] == [deletion["erasure_id"]]
    assert api.admin.get("/v1/erasures", params={"document_id": other}).json()["items"] == []


def test_bytes_that_another_document_shares_stay_for_it_and_are_counted(api: Api) -> None:
    first = api.add("a.txt", LUNCH)
    second = api.add("b.txt", LUNCH)
    erasure = api.admin.delete(f"/v1/documents/{first}").json()["erasure_id"]
    finish(api)
    report = api.admin.get(f"/v1/erasures/{erasure}").json()
    assert report["state"] == "done"
    assert report["checked"]["blobs_left"] == 0
    assert report["checked"]["blobs_shared"] > 0
    assert api.admin.get(f"/v1/documents/{second}/text").json()["text"] == LUNCH
    api.admin.delete(f"/v1/documents/{second}")
    finish(api)
    assert not [path for kind in ("originals", "parsed", "texts", "vectors") for path in api.files(kind)]


def test_what_was_left_is_said_and_not_called_done(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    document = api.add("lunch.txt", LUNCH)
    erasure = api.admin.delete(f"/v1/documents/{document}").json()["erasure_id"]
    with monkeypatch.context() as patched:
        patched.setattr(api.worker.blobs, "delete_original", lambda sha256: None)
        finish(api)
    report = api.admin.get(f"/v1/erasures/{erasure}").json()
    assert report["state"] == "incomplete"
    assert report["checked"]["blobs_left"] == 3  # the original, its elements, its vectors
    assert report["finished_at"] is None


def test_members_of_an_archive_are_part_of_its_erasure(api: Api) -> None:
    document = api.add("notes.zip", zipped({"a.txt": LUNCH, "b.txt": "The bus leaves at six."}))
    api.work()
    erasure = api.admin.delete(f"/v1/documents/{document}").json()["erasure_id"]
    finish(api)
    report = api.admin.get(f"/v1/erasures/{erasure}").json()
    assert (report["state"], report["members"]) == ("done", 2)
    assert api.count(Document) == 0


def test_an_answer_shows_only_what_its_reader_may_still_read(api: Api) -> None:
    ann = api.person("ann", "staff")
    document = api.add("lunch.txt", LUNCH, access="staff")
    once = {"Idempotency-Key": "one"}
    answer = ann.post("/v1/answers", json=ASKED, headers=once).json()
    assert "noon" in answer["answer"]
    api.admin.put(f"/v1/documents/{document}/access", json={"access": ["board"]})
    replayed = ann.post("/v1/answers", json=ASKED, headers=once)
    streamed = ann.post("/v1/answers", json={**ASKED, "stream": True}, headers={"Idempotency-Key": "two"})
    for text in (ann.get(f"/v1/answers/{answer['id']}").text, replayed.text, streamed.text):
        assert "noon" not in text
        assert document not in text
        assert "lunch.txt" not in text
    assert "noon" not in str(ann.get("/v1/users/ann/export").json()["answers"])
    # Nothing was deleted: given back the group, it is whole again.
    api.admin.put(f"/v1/documents/{document}/access", json={"access": ["staff"]})
    assert ann.get(f"/v1/answers/{answer['id']}").json()["citations"] == answer["citations"]


def test_an_answer_that_named_a_title_forgets_it_too(api: Api) -> None:
    ann = api.person("ann", "staff")
    document = api.add("secret-plan.txt", LUNCH, access="staff")
    answer = ann.post("/v1/answers", json={"question": "Zqx vwk?"}).json()
    assert answer["abstained"]
    assert "secret-plan" in answer["answer"]
    api.admin.put(f"/v1/documents/{document}/access", json={"access": ["board"]})
    assert "secret-plan" not in ann.get(f"/v1/answers/{answer['id']}").text
    api.admin.delete(f"/v1/documents/{document}")
    finish(api)
    assert "secret-plan" not in stored(api)


def test_a_document_erased_while_an_answer_is_made_is_not_in_it(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    document = api.add("lunch.txt", LUNCH)
    read = module.read

    def erased_after_reading(*arguments: Any) -> Any:
        sources = read(*arguments)
        with api.database.transaction() as session:
            for row in session.scalars(select(Document)).all():
                start_forgetting(session, row)
        finish(api)
        return sources

    monkeypatch.setattr(module, "read", erased_after_reading)
    answer = api.admin.post("/v1/answers", json=ASKED).json()
    assert (answer["answer"], answer["citations"], answer["withheld"]) == (WITHHELD, [], 1)
    assert "lunch at noon" not in stored(api)
    assert document not in stored(api)
    assert api.count(AnswerDocument) == 0


def test_a_repeated_question_whose_answer_was_deleted_says_so(api: Api) -> None:
    api.add("lunch.txt", LUNCH)
    once = {"Idempotency-Key": "one"}
    api.admin.post("/v1/answers", json=ASKED, headers=once)
    with api.database.transaction() as session:
        session.execute(update(AnswerRow).values(created_at=utc_now() - timedelta(days=31)))
    keep_no_longer(api.worker)
    assert api.count(AnswerRow) == 0
    problem(api.admin.post("/v1/answers", json=ASKED, headers=once), 404)


def test_a_corpus_keeps_documents_for_as_long_as_was_said_after_a_dry_run(api: Api) -> None:
    old, new, renewed = (api.add(name, f"{LUNCH} {name}") for name in ("old.txt", "new.txt", "renewed.txt"))
    ago = utc_now() - timedelta(days=40)
    with api.database.transaction() as session:
        session.execute(update(Document).where(Document.id != new_id(new)).values(created_at=ago))
        session.execute(update(Version).where(Version.document_id != new_id(new)).values(created_at=ago))
    assert api.add("renewed.txt", "It was written anew.") == renewed
    path = "/v1/corpora/default/retention"
    keep_no_longer(api.worker)
    assert api.count(Document) == 3
    plan = api.admin.put(path, json={"days": 30}).json()
    assert plan == {"days": 30, "in_force": False, "documents": 1, "oldest": [old]}
    keep_no_longer(api.worker)
    assert api.admin.get(f"/v1/documents/{old}").status_code == 200
    assert api.admin.put(path, json={"days": 30, "dry_run": False}).json() == {**plan, "in_force": True}
    keep_no_longer(api.worker)
    finish(api)
    problem(api.admin.get(f"/v1/documents/{old}"), 404)
    assert api.admin.get(f"/v1/documents/{new}").status_code == 200
    assert api.admin.get(f"/v1/documents/{renewed}").status_code == 200
    report = api.admin.get("/v1/erasures", params={"document_id": old}).json()["items"][0]
    assert (report["reason"], report["state"], report["asked_by"]) == ("retention", "done", "moat")
    assert api.admin.put(path, json={"days": None, "dry_run": False}).json()["in_force"]
    for body in ({"days": 0}, {"dry_run": False}, {"days": 5, "more": 1}):
        problem(api.admin.put(path, json=body), 422)
    problem(api.person("ann").put(path, json={"days": 30}), 403)


def new_id(text: str) -> UUID:
    return UUID(text)


def test_export_and_deletion_of_a_users_history(api: Api) -> None:
    ann, bob = api.person("ann"), api.person("bob")
    document = api.add("lunch.txt", LUNCH, client=ann)
    answer = ann.post("/v1/answers", json=ASKED, headers={"Idempotency-Key": "one"}).json()["id"]
    ann.post(f"/v1/answers/{answer}/feedback", json={"rating": "up", "comment": "Thanks"})
    theirs = bob.post("/v1/answers", json=ASKED).json()["id"]
    with api.database.transaction() as session:
        key = session.get_one(AnswerRow, new_id(answer)).key_id
        session.add_all(_call(user, key) for user in ("ann", "bob"))
    export = ann.get("/v1/users/ann/export").json()
    assert {name: len(export[name]) for name in ("keys", "answers", "feedback", "calls", "documents")} == dict.fromkeys(
        ("keys", "answers", "feedback", "calls", "documents"), 1
    )
    assert export["keys"][0]["prefix"].startswith("moat_")
    assert "sha256" not in str(export)
    assert export["answers"][0]["question"] == ASKED["question"]
    assert export["calls"][0]["cost_usd"] == "0.25"
    assert export["documents"][0]["id"] == document
    assert [entry["action"] for entry in export["audit"]] == [
        *("document.uploaded", "answer.asked", "answer.rated", "user.exported"),
    ]
    assert api.admin.get("/v1/users/ann/export").json()["answers"] == export["answers"]
    problem(bob.get("/v1/users/ann/export"), 403)
    problem(bob.delete("/v1/users/ann/history"), 403)
    erasure = ann.delete("/v1/users/ann/history")
    assert erasure.status_code == 202
    finish(api)
    report = api.admin.get(f"/v1/erasures/{erasure.json()['id']}").json()
    assert (report["kind"], report["state"]) == ("history", "done")
    assert report["removed"] == {"answers": 1, "feedback": 1, "replies": 1, "calls_under_a_pseudonym": 1}
    problem(ann.get(f"/v1/answers/{answer}"), 404)
    assert bob.get(f"/v1/answers/{theirs}").status_code == 200
    after = ann.get("/v1/users/ann/export").json()
    assert (after["answers"], after["feedback"], after["calls"]) == ([], [], [])
    with api.database.reading() as session:
        calls = session.scalars(select(CallRow).order_by(CallRow.user)).all()
    assert [(call.user[:10], call.cost_usd) for call in calls] == [
        *(("bob", calls[0].cost_usd), ("forgotten-", calls[0].cost_usd))
    ]


def _call(user: str, key: Any) -> CallRow:
    return CallRow(
        user=user,
        key_id=key,
        corpora=["default"],
        kind="answer",
        provider="acme",
        model="one",
        attempt=1,
        status="ok",
        ceiling_usd=Decimal("0.25"),
        cost_usd=Decimal("0.25"),
        expires_at=utc_now(),
    )


def test_a_widget_session_is_not_its_user(api: Api) -> None:
    widget = api.admin.post("/v1/widgets", json={"name": "w", "origins": ["https://a.example"]}).json()["id"]
    page = api.client(Origin="https://a.example")
    token = page.post("/v1/widget-sessions", json={"widget_id": widget}).json()["token"]
    session = api.client(token, Origin="https://a.example")
    problem(session.get("/v1/users/anybody/export"), 403)


def test_every_quoted_document_is_known_as_one_that_the_answer_is_made_of(tmp_path: Path) -> None:
    api = Api(tmp_path, answering={"context_tokens": 100, "passages": 1})
    try:
        for day in ("Monday", "Tuesday", "Friday"):
            api.add(f"{day}.txt", f"On {day} lunch is at noon in the canteen. " * 40)
        answer = api.admin.post("/v1/answers", json=ASKED).json()
        quoted = {citation["document_id"] for citation in answer["citations"]}
        assert quoted
        with api.database.reading() as session:
            assert quoted <= {str(id_) for id_ in session.scalars(select(AnswerDocument.document_id))}
    finally:
        api.close()
