"""The audit log holds every deed, by ids alone, in a chain that shows whatever was done to it."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, text, update

from moat import audit
from moat.audit_chain import Anchor, Verdict, entry_of, verify
from moat.database import Database
from moat.settings_changes import note_settings
from moat.tables import AuditHead, AuditRow, utc_now
from tests.fakes.api import Api, problem
from tests.fakes.postgres import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]
CANARY = "Wexlqadrom"


def entries(api: Api, **filters: Any) -> list[dict[str, Any]]:
    response = api.admin.get("/v1/audit", params={"format": "jsonl", **filters})
    assert response.status_code == 200
    return [json.loads(line) for line in response.text.splitlines()]


def actions(api: Api, **filters: Any) -> list[str]:
    return [entry["action"] for entry in entries(api, **filters)]


def verdict(api: Api, *anchors: Anchor) -> Verdict:
    head = api.admin.get("/v1/audit/head").json()
    return verify(map(entry_of, entries(api)), Anchor(head["seq"], head["hash"]), anchors)


def test_every_deed_is_written_down_by_ids_alone(api: Api) -> None:
    ann = api.person("ann", "staff")
    document = api.add("lunch.txt", f"The {CANARY} canteen serves lunch at noon.", client=ann)
    question = f"When does the {CANARY} canteen serve lunch?"
    answer = ann.post("/v1/answers", json={"question": question}).json()["id"]
    assert ann.get(f"/v1/answers/{answer}").status_code == 200
    assert ann.post("/v1/search", json={"question": question}).status_code == 200
    for what in ("", "/content", "/text", "/chunks"):
        assert ann.get(f"/v1/documents/{document}{what}").status_code == 200
        assert ann.get(f"/v1/documents/{document}{what}").status_code == 200
    assert api.admin.put(f"/v1/documents/{document}/access", json={"access": ["staff"]}).status_code == 200
    corpus = api.admin.post("/v1/corpora", json={"name": "new"}).json()["id"]
    assert api.admin.patch("/v1/corpora/new", json={"access": ["staff"]}).status_code == 200
    job = api.admin.post("/v1/corpora/new/reindex", json={}).json()["id"]
    assert api.admin.post(f"/v1/jobs/{job}/cancel").status_code == 200
    assert api.admin.put("/v1/corpora/new/retention", json={"days": 9, "dry_run": False}).status_code == 200
    assert api.admin.delete("/v1/corpora/new").status_code == 202
    key = api.admin.post("/v1/keys", json={"name": "k", "user": "bob"}).json()["id"]
    assert api.admin.delete(f"/v1/keys/{key}").status_code == 200
    widget = api.admin.post("/v1/widgets", json={"name": "w", "origins": ["https://a.example"]}).json()["id"]
    assert api.admin.delete(f"/v1/widgets/{widget}").status_code == 204
    assert ann.delete(f"/v1/documents/{document}").status_code == 202
    problem(api.client("moat_wrong").get("/v1/corpora"), 401)
    problem(api.client("moat_wrong").get("/v1/corpora"), 401)
    problem(api.client().get("/v1/corpora"), 401)
    assert actions(api, user="ann") == [
        *("document.uploaded", "answer.asked", "answer.read", "search.asked"),
        *("document.read", "document.read", "document.read", "document.read", "document.read"),
        *("document.read", "document.read", "document.deleted"),  # seven: the details are told once a minute
    ]
    assert [e["details"]["what"] for e in entries(api, action="document.read")] == [
        *("details", "content", "content", "text", "text", "chunks", "chunks")
    ]
    assert actions(api, user="admin") == [
        *("document.access_changed", "corpus.created", "corpus.changed", "reindex.started", "reindex.cancelled"),
        *("corpus.retention_changed", "corpus.deleted", "key.created", "key.revoked"),
        *("widget.created", "widget.deleted"),
    ]
    assert actions(api, user="moat") == ["sign_in.failed"]
    assert {e["object"] for e in entries(api, action="corpus.deleted")} == {corpus}
    searched = entries(api, action="search.asked")[0]
    assert searched["details"] == {"documents": [document]}
    whole = json.dumps(entries(api))
    assert CANARY not in whole
    assert "lunch" not in whole
    assert verdict(api).problems == []
    assert verdict(api).entries == len(entries(api))


def test_an_upload_that_says_who_may_read_is_written_down_with_it(api: Api) -> None:
    ann = api.person("ann", "staff", "board")
    api.add("lunch.txt", "Lunch is served at noon.", client=ann)
    api.add("lunch.txt", "Lunch is served at one.", client=ann, access=["staff", "board"])
    told = [entry["details"] for entry in entries(api, action="document.uploaded")]
    assert told == [{"version": 1}, {"version": 2, "access": ["board", "staff"]}]


def test_questions_are_written_down_where_a_setting_says_so(tmp_path: Path) -> None:
    api = Api(tmp_path, audit={"questions": True})
    api.admin.post("/v1/answers", json={"question": "Who is it?"})
    api.admin.post("/v1/search", json={"question": "Who was it?"})
    assert [e["details"].get("question") for e in entries(api)] == ["Who is it?", "Who was it?"]
    api.close()


def test_a_deed_that_fails_is_not_written_down(api: Api) -> None:
    problem(api.admin.post("/v1/corpora", json={"name": "default"}), 409)
    problem(api.person("ann").get("/v1/audit"), 403)
    problem(api.person("ann").get("/v1/audit/head"), 403)
    assert entries(api) == []
    assert verdict(api).problems == []


def test_pages_and_filters(api: Api) -> None:
    for number in range(7):
        api.admin.post("/v1/corpora", json={"name": f"c{number}"})
    first = api.admin.get("/v1/audit", params={"limit": 3}).json()
    assert [item["seq"] for item in first["items"]] == [7, 6, 5]
    second = api.admin.get("/v1/audit", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert [item["seq"] for item in second["items"]] == [4, 3, 2]
    oldest = api.admin.get("/v1/audit", params={"limit": 5, "order": "oldest", "cursor": "2"}).json()
    assert [item["seq"] for item in oldest["items"]] == [3, 4, 5, 6, 7]
    assert oldest["next_cursor"] is None
    moment = first["items"][0]["at"]
    assert [e["seq"] for e in entries(api, since=moment)] == [7]
    assert [e["seq"] for e in entries(api, until=moment)] == [1, 2, 3, 4, 5, 6]
    assert [e["seq"] for e in entries(api, object=first["items"][1]["object"])] == [6]
    for cursor in ("x", "-1", "²", "9" * 19):
        problem(api.admin.get("/v1/audit", params={"cursor": cursor}), 422)


def _alter(session: Any) -> None:
    session.execute(update(AuditRow).where(AuditRow.seq == 3).values(user="nobody"))


def _alter_and_rehash(session: Any) -> None:
    row = session.get(AuditRow, 3)
    row.user = "nobody"
    row.hash = audit.entry_of_row(row).hash()


def _remove(session: Any) -> None:
    session.execute(delete(AuditRow).where(AuditRow.seq == 3))


def _remove_first(session: Any) -> None:
    session.execute(delete(AuditRow).where(AuditRow.seq == 1))


def _swap(session: Any) -> None:
    one, two = session.get(AuditRow, 3), session.get(AuditRow, 4)
    one.object, two.object, one.hash, two.hash = two.object, one.object, two.hash, one.hash


def _cut(session: Any) -> None:
    session.execute(delete(AuditRow).where(AuditRow.seq >= 5))


def _empty(session: Any) -> None:
    session.execute(delete(AuditRow))


def _insert(session: Any) -> None:
    last = session.get(AuditRow, 6)
    fields = {column.name: getattr(last, column.name) for column in AuditRow.__table__.columns}
    session.add(AuditRow(**fields | {"seq": 7}))


@pytest.mark.parametrize(
    ("tamper", "says"),
    [
        (_alter, "Entry 3 was altered"),
        (_alter_and_rehash, "Entry 4 does not follow"),
        (_remove, "Entries 3 to 3 are missing"),
        (_remove_first, "Entries before 2 are missing"),
        (_swap, "Entry 3 was altered"),
        (_cut, "The log ends at entry 4"),
        (_empty, "The log ends at entry 0"),
        (_insert, "Entry 7 was altered"),
    ],
)
def test_what_is_done_to_the_log_is_seen(api: Api, tamper: Callable[[Any], None], says: str) -> None:
    for number in range(6):
        api.admin.post("/v1/corpora", json={"name": f"c{number}"})
    assert verdict(api).problems == []
    with api.database.transaction() as session:
        tamper(session)
    assert any(found.startswith(says) for found in verdict(api).problems)


def test_a_rewritten_log_is_only_seen_by_an_anchor_kept_elsewhere(api: Api) -> None:
    for number in range(6):
        api.admin.post("/v1/corpora", json={"name": f"c{number}"})
    anchor = Anchor(**api.admin.get("/v1/audit/head").json())
    api.admin.post("/v1/corpora", json={"name": "later"})
    assert verdict(api, anchor).problems == []
    with api.database.transaction() as session:  # all of it anew, with hashes that fit
        previous = "0" * 64
        for row in session.scalars(select(AuditRow).order_by(AuditRow.seq)).all():
            row.user, row.previous = "nobody", previous
            row.hash = previous = audit.entry_of_row(row).hash()
        session.execute(update(AuditHead).values(hash=previous))
    assert verdict(api).problems == []
    assert verdict(api, anchor).problems == ["Entry 6 is not the one of the anchor."]


def test_pruning_says_so_and_leaves_a_log_that_can_be_checked(api: Api) -> None:
    for number in range(6):
        api.admin.post("/v1/corpora", json={"name": f"c{number}"})
    anchor = Anchor(3, entries(api)[2]["hash"])
    cut = api.admin.get("/v1/audit", params={"order": "oldest", "cursor": "4"}).json()["items"][0]["at"]
    with api.database.transaction() as session:
        row = session.get_one(AuditRow, 5)
        assert audit.prune(session, row.at) == 4
    assert [(e["seq"], e["action"]) for e in entries(api)] == [
        *((5, "corpus.created"), (6, "corpus.created"), (7, "audit.pruned"))
    ]
    assert entries(api)[0]["at"] == cut
    assert verdict(api, anchor).problems == []
    with api.database.transaction() as session:  # a second time over the first
        assert audit.prune(session, utc_now() + timedelta(days=1)) == 3
    assert actions(api) == ["audit.pruned"]
    assert verdict(api).problems == []
    with api.database.transaction() as session:
        session.execute(update(AuditRow).values(seq=9))
    assert verdict(api).problems


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_writers_at_once_make_one_chain(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else f"sqlite:///{tmp_path / 'c.db'}"
    database = Database(url)
    database.migrate()

    def fail(number: int) -> None:
        with database.transaction() as session:
            audit.note(session, None, "test.failed", number)
            raise RuntimeError

    def write(number: int) -> None:
        for part in range(6):
            if part == 3:
                with pytest.raises(RuntimeError):
                    fail(number)
            with database.transaction() as session:
                audit.note(session, None, "test.done", number, part=part)
                audit.note(session, None, "test.done_too", number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    with database.reading() as session:
        rows = session.scalars(select(AuditRow).order_by(AuditRow.seq)).all()
        found = verify(((audit.entry_of_row(row), row.hash) for row in rows), audit.head_of(session))
    database.close()
    assert found.problems == []
    assert found.entries == 8 * 6 * 2
    assert {row.action for row in rows} == {"test.done", "test.done_too"}


def test_changed_settings_are_named_and_never_their_values(tmp_path: Path) -> None:
    api = Api(tmp_path)
    other = api.settings.model_copy(
        update={"log_level": "DEBUG", "audit": api.settings.audit.model_copy(update={"days": 3})}
    )
    for settings in (api.settings, api.settings, other, other):
        with api.database.transaction() as session:
            note_settings(session, settings, "api")
    assert [(e["action"], e["details"]) for e in entries(api)] == [
        ("settings.first_seen", {}),
        ("settings.changed", {"names": ["audit.days", "log_level"]}),
    ]
    with api.database.reading() as session:
        kept = session.execute(text("SELECT * FROM settings_seen")).mappings().one()
    assert "DEBUG" not in str(kept)
    api.close()


def test_nothing_is_shown_that_could_not_be_written_down(api: Api) -> None:
    document = api.add("lunch.txt", "The canteen serves lunch at noon.")
    with api.database.transaction() as session:
        session.execute(delete(AuditHead))
    problem(api.admin.get(f"/v1/documents/{document}/text"), 500)
    problem(api.admin.post("/v1/search", json={"question": "When is lunch?"}), 500)


def test_the_api_notes_its_settings_when_it_starts(tmp_path: Path) -> None:
    api = Api(tmp_path)
    with api.client(api.admin_key) as started:
        response = started.get("/v1/audit").json()
    assert [item["action"] for item in response["items"]] == ["settings.first_seen"]
    api.close()
