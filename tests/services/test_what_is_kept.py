"""What tells of a document without showing it: counts, times, copies, scores, history and names."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select, update

from answering.withhold import WITHHELD
from moat.costs import NOT_READABLE
from moat.records import Reader
from moat.tables import AnswerRow, ApiKey, CallRow, utc_now
from services.idempotency import Once
from tests.fakes.api import Api, events, problem
from tests.fakes.documents import zipped
from tests.fakes.served import served

SALARY = "The salary of the pilots is paid in June.\n"
QUESTION = {"question": "When is the salary of the pilots paid?"}


def ids(client: Any, **body: Any) -> list[str]:
    passages = client.post("/v1/search", json={**QUESTION, "limit": 50, **body}).json()["passages"]
    return [passage["document_id"] for passage in passages]


def put(api: Api, id_: str, *access: str) -> None:
    assert api.admin.put(f"/v1/documents/{id_}/access", json={"access": list(access)}).status_code == 200


def test_access_that_is_granted_holds_at_the_next_question_before_any_worker_ran(api: Api) -> None:
    id_, saul = api.add("a.txt", SALARY, access="hr"), api.person("saul", "sales")
    assert ids(saul) == []
    put(api, id_, "sales")
    assert ids(saul) == [id_]
    cited = saul.post("/v1/answers", json=QUESTION).json()["citations"]
    assert [citation["document_id"] for citation in cited] == [id_]
    put(api, id_, "user:saul")
    assert ids(saul) == [id_]
    put(api, id_)
    assert ids(saul) == []


def test_access_of_an_archive_reaches_its_members_at_the_next_question(api: Api) -> None:
    parent = api.add("a.zip", zipped({"one.txt": SALARY, "two.txt": SALARY.replace("June", "July")}), access="hr")
    api.work()
    saul = api.person("saul", "sales")
    put(api, parent, "sales")
    assert set(ids(saul)) == set(ids(api.admin))
    assert len(ids(saul)) == 3


def test_what_was_taken_away_or_deleted_does_not_crowd_out_what_one_may_read(api: Api) -> None:
    own = api.add("own.txt", "Somebody somewhere is paid for nothing at all, at least at times.\n")
    taken = [api.add(f"{n}.txt", SALARY.replace("June", f"June, for the {n}th time")) for n in range(4)]
    rita = api.person("rita")
    assert set(ids(rita, limit=3)) < set(taken)
    for id_ in taken[:2]:
        put(api, id_, "hr")
    for id_ in taken[2:]:
        assert api.admin.delete(f"/v1/documents/{id_}").status_code == 202
    found = rita.post("/v1/search", json={**QUESTION, "explain": True}).json()["passages"]
    assert [p["document_id"] for p in found] == [own]
    assert {arm["rank"] for arm in found[0]["arms"].values()} == {1}, "a gap would tell how many are hidden"


def test_stored_answer_is_withheld_while_its_reader_may_not_read_what_it_drew_on(api: Api) -> None:
    id_, ann = api.add("a.txt", SALARY, access="hr"), api.person("ann", "hr")
    headers = {"Idempotency-Key": "once"}
    given = ann.post("/v1/answers", json=QUESTION, headers=headers).json()
    assert "June" in given["answer"]
    put(api, id_, "board")
    shown = ann.get(f"/v1/answers/{given['id']}").json()
    assert (shown["answer"], shown["citations"], shown["withheld"]) == (WITHHELD, [], 1)
    assert "June" not in str(shown)
    assert ann.post("/v1/answers", json=QUESTION, headers=headers).json() == shown
    streamed = events(ann.post("/v1/answers", json=QUESTION | {"stream": True}, headers={"Idempotency-Key": "s"}).text)
    assert "June" not in str(streamed)
    put(api, id_, "hr")
    assert ann.get(f"/v1/answers/{given['id']}").json() == given
    assert api.admin.delete(f"/v1/documents/{id_}").status_code == 202
    for _ in range(2):
        assert ann.get(f"/v1/answers/{given['id']}").json() == shown
        api.work()


def test_stored_answer_names_no_corpus_and_no_title_that_may_not_be_read_any_more(api: Api) -> None:
    api.corpus("merger", ["hr"])
    api.add("plan-of-the-merger.txt", SALARY, corpus="merger", access="hr")
    ann = api.person("ann", "hr")
    given = ann.post("/v1/answers", json={"question": "Zebras juggle?", "corpora": ["merger"]}).json()
    assert given["abstained"]
    assert "merger" in given["answer"]
    api.admin.patch("/v1/corpora/merger", json={"access": ["board"]})
    assert "merger" not in ann.get(f"/v1/answers/{given['id']}").text


def test_key_of_one_corpus_is_not_shown_the_history_of_another(api: Api) -> None:
    api.corpus("other")
    api.add("a.txt", SALARY)
    given = api.person("ann").post("/v1/answers", json=QUESTION).json()
    limited = api.person("ann", corpora=[api.corpus_id("other")])
    assert limited.get(f"/v1/answers/{given['id']}").json()["answer"] == WITHHELD


def test_two_people_behind_one_key_do_not_share_idempotency_keys(api: Api) -> None:
    key = uuid4()
    for user in ("ann", "bob"):
        once = Once(api.database, Reader(key, user), "POST /v1/answers", "k", "{}", lasts_at_most=timedelta(minutes=1))
        assert once.begin() is None
        once.keep(200, {"id": user})
        assert once.begin() is not None


def test_upload_of_a_copy_looks_like_that_of_any_file(api: Api) -> None:
    api.corpus("board", ["board"])
    api.add("secret.txt", SALARY, corpus="board", access="board")
    una = api.person("una")
    copy, fresh = api.add("guess.txt", SALARY, client=una), api.add("mine.txt", SALARY.upper(), client=una)
    shown = [una.get(f"/v1/documents/{id_}").json() for id_ in (copy, fresh)]
    for document in shown:
        assert (document["timings"], document["version"], document["state"]) == ({}, 1, "ready")
    assert shown[0]["report"] == shown[1]["report"]
    known = [api.admin.get(f"/v1/documents/{id_}").json() for id_ in (copy, fresh)]
    assert [document["report"]["embedded"] for document in known] == [0, 1], "and that is what an admin sees"
    assert all(document["timings"] for document in known)


def test_original_of_a_masking_corpus_is_not_given_though_another_corpus_keeps_it(api: Api) -> None:
    pipeline = {"redaction": {"mode": "mask", "types": ["email"]}}
    body = {"name": "masked", "access": ["everyone"], "pipeline": pipeline}
    assert api.admin.post("/v1/corpora", json=body).status_code == 201
    text = "Write to ann@firm.example about the salary.\n"
    id_ = api.upload("a.txt", text, corpus="masked").json()["items"][0]["id"]
    problem(api.admin.get(f"/v1/documents/{id_}/content"), 404)
    api.work()
    alone = problem(api.person("rita").get(f"/v1/documents/{id_}/content"), 404)
    api.corpus("board", ["board"])
    api.add("a.txt", text, corpus="board", access="board")
    again = api.upload("a.txt", text, corpus="masked", key="b").json()["items"][0]["id"]
    api.work()
    shared = api.person("rita").get(f"/v1/documents/{again}/content")
    assert problem(shared, 404)["detail"] == alone["detail"]
    assert "ann@firm.example" not in shared.text


def test_time_left_counts_only_what_may_be_read(api: Api) -> None:
    api.add("a.txt", SALARY)
    for number in range(5):
        api.upload(f"{number}.txt", f"{SALARY} {number}", access="hr")
    listed = "/v1/corpora/default/documents"
    assert api.person("rita").get(listed).json()["seconds_left"] == 0
    assert api.person("hanna", "hr").get(listed).json()["counts"] == {"ready": 1, "queued": 5}
    assert api.admin.get(listed).json()["seconds_left"] > 0


def test_score_that_counts_the_words_of_others_is_for_admins(api: Api) -> None:
    api.add("a.txt", SALARY)
    body = {**QUESTION, "explain": True}
    for client, shown in ((api.admin, True), (api.person("rita"), False)):
        (passage,) = client.post("/v1/search", json=body).json()["passages"]
        assert (passage["arms"]["sparse"]["score"] is not None) is shown
        assert passage["arms"]["sparse"]["rank"] == 1
        assert passage["arms"]["dense"]["score"] > 0


def test_own_bill_names_no_corpus_that_may_not_be_read(api: Api) -> None:
    api.corpus("merger", ["board"])
    ann = api.person("ann")
    call = {"user": "ann", "kind": "answer", "provider": "p", "model": "m", "attempt": 1, "status": "ok"}
    call |= {"ceiling_usd": Decimal(0), "cost_usd": Decimal(0), "expires_at": utc_now(), "key_id": None}
    with api.database.transaction() as session:
        session.add(CallRow(**call, corpora=["default", "merger"]))
    costs = "/v1/costs?group_by=corpus"
    assert [line["corpus"] for line in ann.get(costs).json()["items"]] == [f"default + {NOT_READABLE}"]
    assert [line["corpus"] for line in api.admin.get(costs).json()["items"]] == ["default + merger"]
    export = "/v1/users/ann/export"
    assert [call["corpora"] for call in ann.get(export).json()["calls"]] == [["default", NOT_READABLE]]
    assert [call["corpora"] for call in api.admin.get(export).json()["calls"]] == [["default", "merger"]]


def test_member_that_is_shared_alone_does_not_tell_what_it_came_in(api: Api) -> None:
    parent = api.add("a.zip", zipped({"one.txt": SALARY}), access="hr")
    api.work()
    (child,) = (d for d in api.admin.get("/v1/corpora/default/documents").json()["items"] if d["parent_id"])
    put(api, child["id"], "sales")
    assert child["parent_id"] == parent
    assert api.person("saul", "sales").get(f"/v1/documents/{child['id']}").json()["parent_id"] is None


def test_new_content_of_a_member_is_not_shown_to_those_of_its_old_content_alone(api: Api) -> None:
    api.add("a.zip", zipped({"one.txt": SALARY}), access="hr")
    api.work()
    (child,) = (d for d in api.admin.get("/v1/corpora/default/documents").json()["items"] if d["parent_id"])
    put(api, child["id"], "sales")
    content, saul = f"/v1/documents/{child['id']}/content", api.person("saul", "sales")
    assert saul.get(content).text == SALARY
    api.upload("a.zip", zipped({"one.txt": SALARY.replace("June", "secret July")}))
    api.index()
    assert "July" in api.admin.get(content).text, "it is there, and waits for its indexing"
    problem(saul.get(content), 404)


def test_group_that_is_named_like_a_person_stands_for_nobody(api: Api) -> None:
    id_ = api.add("a.txt", SALARY, access="user:saul")
    assert ids(api.person("eve", "user:saul")) == []
    problem(api.person("eve", "user:saul").get(f"/v1/documents/{id_}"), 404)
    assert ids(api.person("saul")) == [id_]


@pytest.mark.parametrize("path", ["documents", "jobs"])
def test_progress_ends_when_the_key_is_revoked(api: Api, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.upload.documents._POLL_S", 0.01)
    monkeypatch.setattr("services.admin.reindex._POLL_S", 0.01)
    id_ = api.upload("a.txt", SALARY).json()["items"][0]["id"]
    if path == "jobs":
        id_ = api.admin.post("/v1/corpora/default/reindex", json={"chunk_tokens": 64}).json()["id"]
    with (
        served(api.app) as url,
        httpx.Client(base_url=url, headers=api.admin.headers, timeout=20) as client,
        client.stream("GET", f"/v1/{path}/{id_}/events") as response,
    ):
        lines = response.iter_lines()
        told = [next(lines), next(lines), next(lines)]
        with api.database.transaction() as session:
            session.execute(update(ApiKey).values(revoked_at=utc_now()))
        told += list(lines)
    name, body = events("\n".join(told))[-1]
    assert (name, body["status"]) == ("error", 401)


def test_answers_from_before_sources_were_noted_stay_withheld(api: Api) -> None:
    api.add("a.txt", SALARY)
    ann = api.person("ann")
    id_ = ann.post("/v1/answers", json=QUESTION).json()["id"]
    with api.database.transaction() as session:
        session.scalars(select(AnswerRow).where(AnswerRow.id == UUID(id_))).one().corpora = None
    assert ann.get(f"/v1/answers/{id_}").json()["answer"] == WITHHELD
