"""Answers over HTTP: their events in order, their errors and their bill."""

import csv
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from moat.tables import AnswerRow, CallRow, Feedback
from tests.fakes.api import Api, events, problem, stream
from tests.fakes.models import COST, LUNCH, PIECES, rows, with_model
from tests.fakes.openai_server import USAGE, Reply, openai_server

QUESTION = "When is lunch served in the canteen?"


@pytest.fixture
def lunch(api: Api) -> Api:
    api.add("lunch.txt", LUNCH)
    return api


def test_extractive_answer_is_free_cited_and_says_so(lunch: Api) -> None:
    response = lunch.admin.post("/v1/answers", json={"question": QUESTION})
    assert response.status_code == 200
    body = response.json()
    assert (body["model"], body["abstained"], body["cost"]) == (
        "extractive", False, {"total_usd": "0", "saved_usd": "0", "calls": []},
    )  # fmt: skip
    assert body["note"]
    (citation,) = body["citations"]
    text = lunch.admin.get(f"/v1/documents/{citation['document_id']}/text").json()["text"]
    start, end = citation["span"]
    assert text[start:end] == citation["quote"]
    assert lunch.admin.get(f"/v1/answers/{body['id']}").json() == body


def test_question_without_evidence_is_abstained_from(lunch: Api) -> None:
    body = lunch.admin.post("/v1/answers", json={"question": "Who painted zebras blue yesterday?"}).json()
    assert (body["abstained"], body["citations"]) == (True, [])
    assert "Searched: default" in body["answer"]


def test_stream_begins_with_sources_and_ends_with_the_whole_answer(lunch: Api) -> None:
    response = lunch.admin.post("/v1/answers", json={"question": QUESTION, "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    said = events(response.text)
    names = [name for name, _ in said]
    assert (names[0], names[-1]) == ("sources", "done")
    assert set(names[1:-1]) == {"token", "citation"}
    done = said[-1][1]
    assert "".join(data["text"] for name, data in said if name == "token") == done["answer"]
    assert [data for name, data in said if name == "citation"] == done["citations"]
    assert lunch.admin.get(f"/v1/answers/{done['id']}").json() == done


def test_model_s_answer_is_booked_to_the_micro_dollar(tmp_path: Path) -> None:
    with openai_server(Reply(PIECES)) as fake:
        api = with_model(tmp_path, fake)
        body = api.admin.post("/v1/answers", json={"question": QUESTION}).json()
        streamed = dict(stream(api.admin, QUESTION))["done"]
    assert fake.authorizations == ["Bearer sk-provider-secret"] * 2
    for answer in (body, streamed):
        assert answer["answer"] == "Lunch is served at noon in the canteen [1]."
        assert [citation["marker"] for citation in answer["citations"]] == [1]
        (call,) = answer["cost"]["calls"]
        assert Decimal(answer["cost"]["total_usd"]) == Decimal(call["cost_usd"]) == COST
        assert (call["input_tokens"], call["cached_tokens"], call["output_tokens"], call["reasoning_tokens"]) == (
            1000, 400, 100, 25,
        )  # fmt: skip
        assert (call["usage"], call["status"], call["attempt"], call["provider"]) == ("reported", "ok", 1, "fake")
    booked = rows(api, CallRow)
    assert [row.cost_usd for row in booked] == [COST, COST]
    assert {str(row.answer_id) for row in booked} == {body["id"], streamed["id"]}
    api.close()


def test_costs_add_up_for_each_reader_in_json_and_csv(tmp_path: Path) -> None:
    with openai_server(Reply(PIECES)) as fake:
        api = with_model(tmp_path, fake)
        ann, bob = api.person("=ann()"), api.person("bob")
        for client in (ann, ann, bob):
            assert client.post("/v1/answers", json={"question": QUESTION}).status_code == 200
    everything = api.admin.get("/v1/costs", params={"group_by": ["user", "model"]}).json()
    assert [(line["user"], line["model"], line["calls"]) for line in everything["items"]] == [
        ("=ann()", "fake/large", 2), ("bob", "fake/large", 1),
    ]  # fmt: skip
    assert Decimal(everything["total_usd"]) == 3 * COST == sum(Decimal(i["cost_usd"]) for i in everything["items"])
    assert Decimal(bob.get("/v1/costs").json()["total_usd"]) == COST
    table = api.admin.get("/v1/costs", params={"group_by": "user", "format": "csv"})
    assert table.headers["content-type"].startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(table.text)))
    assert [line["user"] for line in lines] == ["'=ann()", "bob"], "no spreadsheet runs a name"
    assert sum(Decimal(line["cost_usd"]) for line in lines) == 3 * COST
    assert api.admin.get("/v1/costs", params={"to": "2020-01-01"}).json() == {"items": [], "total_usd": "0"}
    assert Decimal(api.admin.get("/v1/costs", params={"from": "2020-01-01T00:00:00Z"}).json()["total_usd"]) == 3 * COST
    api.close()


def test_models_are_listed_with_prices_and_the_default(tmp_path: Path) -> None:
    with openai_server() as fake:
        api = with_model(tmp_path, fake)
        models = api.admin.get("/v1/models").json()["items"]
    assert [(model["id"], model["default"]) for model in models] == [("extractive", False), ("fake/large", True)]
    assert (models[1]["input_usd_per_million"], models[1]["output_usd_per_million"]) == ("3", "15")
    assert "sk-provider-secret" not in repr(api.settings)
    api.close()


def test_provider_s_refusal_is_a_status_or_an_event_and_is_stored(tmp_path: Path) -> None:
    with openai_server(Reply(status=401)) as fake:
        api = with_model(tmp_path, fake)
        whole = api.admin.post("/v1/answers", json={"question": QUESTION})
        said = stream(api.admin, QUESTION)
    told = problem(whole, 502)
    assert "sk-provider-secret" not in whole.text
    assert [name for name, _ in said] == ["sources", "error"]
    assert said[-1][1] == told
    assert [row.status for row in rows(api, AnswerRow)] == ["failed", "failed"]
    assert [(row.status, row.cost_usd) for row in rows(api, CallRow)] == [("failed", 0), ("failed", 0)]
    api.close()


def test_stream_that_breaks_ends_with_an_error_event(tmp_path: Path) -> None:
    with openai_server(Reply(PIECES, cut_after=1)) as fake:
        api = with_model(tmp_path, fake)
        said = stream(api.admin, QUESTION)
    assert (said[0][0], said[-1][0], said[-1][1]["status"]) == ("sources", "error", 502)
    (call,) = rows(api, CallRow)
    assert (call.status, call.cost_usd) == ("presumed", call.ceiling_usd)
    api.close()


def test_fault_after_the_status_is_told_as_an_event_without_its_inside(
    lunch: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("internal-detail-42")

    monkeypatch.setattr("answering.extractive.pick", broken)
    response = lunch.admin.post("/v1/answers", json={"question": QUESTION, "stream": True})
    said = events(response.text)
    assert (response.status_code, said[-1][0], said[-1][1]["status"]) == (200, "error", 500)
    assert "internal-detail-42" not in response.text
    assert [row.status for row in rows(lunch, AnswerRow)] == ["failed"]


def test_feedback_is_kept_once_and_the_last_word_counts(lunch: Api) -> None:
    id_ = lunch.admin.post("/v1/answers", json={"question": QUESTION}).json()["id"]
    for rating in ("up", "down"):
        given = lunch.admin.post(f"/v1/answers/{id_}/feedback", json={"rating": rating, "comment": "so so"})
        assert given.status_code == 204
    (kept,) = rows(lunch, Feedback)
    assert (str(kept.answer_id), kept.rating, kept.comment) == (id_, "down", "so so")
    problem(lunch.admin.post(f"/v1/answers/{id_}/feedback", json={"rating": "great"}), 422)


def test_search_explains_each_arm_and_asks_no_model(tmp_path: Path) -> None:
    with openai_server() as fake:
        api = with_model(tmp_path, fake)
        body = {"question": QUESTION, "explain": True, "limit": 1}
        (passage,) = api.admin.post("/v1/search", json=body).json()["passages"]
        arms = ("dense", "sparse", "tokens", "fused")
        assert {arm: found["rank"] for arm, found in passage["arms"].items()} == dict.fromkeys(arms, 1)
        plain = api.admin.post("/v1/search", json={"question": QUESTION}).json()["passages"][0]
        assert "arms" not in plain
        assert fake.requests == []
        api.close()


def test_usage_of_the_fake_is_what_the_cost_above_was_worked_out_from() -> None:
    fresh = USAGE["prompt_tokens"] - USAGE["prompt_tokens_details"]["cached_tokens"]
    assert (fresh * 3 + 400 * Decimal("0.30") + USAGE["completion_tokens"] * 15) / 1_000_000 == COST
