"""An admin fixes the passages that an answer may read; they are checked for access like any other."""

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.api import Api, events, problem
from tests.fakes.models import with_model
from tests.fakes.openai_server import Reply, openai_server

QUESTION = "When is lunch served in the canteen?"
DINNER = "Dinner is at seven in the garden.\n"


def passages(api: Api, question: str = QUESTION) -> list[dict[str, Any]]:
    found = api.admin.post("/v1/search", json={"question": question}).json()["passages"]
    return list(found)


@pytest.fixture
def meals(api: Api) -> Api:
    api.add("lunch.txt", "Lunch is served at noon in the canteen.\n")
    api.add("dinner.txt", DINNER)
    return api


def asked(api: Api, ids: list[str], **more: Any) -> Any:
    return api.admin.post("/v1/answers", json={"question": QUESTION, "passage_ids": ids} | more)


def test_the_answer_rests_on_the_chosen_passages_and_on_no_other(meals: Api) -> None:
    dinner = next(p for p in passages(meals) if p["key"] == "dinner.txt")
    body = asked(meals, [dinner["passage_id"]]).json()
    assert {citation["document_id"] for citation in body["citations"]} == {dinner["document_id"]}
    assert body["citations"][0]["quote"] == DINNER.strip()


def test_a_model_reads_them_in_their_order(tmp_path: Path) -> None:
    with openai_server(Reply(("At seven [1].",))) as fake:
        api = with_model(tmp_path, fake)
        api.add("dinner.txt", DINNER)
        by_key = {p["key"]: p["passage_id"] for p in passages(api)}
        for keys in (["dinner.txt", "lunch.txt"], ["lunch.txt", "dinner.txt"]):
            streamed = asked(api, [by_key[key] for key in keys], stream=True)
            assert [p["key"] for p in events(streamed.text)[0][1]["passages"]] == keys
        first, second = (request["messages"][-1]["content"] for request in fake.requests)
    assert first.index("Dinner is") < first.index("Lunch is")
    assert second.index("Lunch is") < second.index("Dinner is")
    api.close()


def test_only_an_admin_may_choose(meals: Api) -> None:
    ids = [passages(meals)[0]["passage_id"]]
    reader = meals.person("ann")
    assert (
        "admin" in problem(reader.post("/v1/answers", json={"question": QUESTION, "passage_ids": ids}), 403)["detail"]
    )


def test_a_passage_outside_the_corpora_asked_is_not_there(meals: Api) -> None:
    meals.corpus("other")
    id_ = passages(meals)[0]["passage_id"]
    assert id_ in problem(asked(meals, [id_], corpora=["other"]), 404)["detail"]


def test_a_passage_of_an_older_version_or_a_deleted_document_is_refused(meals: Api) -> None:
    lunch, dinner = sorted(passages(meals), key=lambda p: p["key"] == "dinner.txt")
    meals.add("lunch.txt", "Lunch is served at one in the canteen.\n", key="lunch.txt")
    told = problem(asked(meals, [lunch["passage_id"], dinner["passage_id"]]), 404)
    assert told["detail"].startswith("1 of the 2 passage_ids")
    assert "Search again" in told["hint"]
    meals.admin.delete(f"/v1/documents/{dinner['document_id']}")
    problem(asked(meals, [dinner["passage_id"]]), 404)


@pytest.mark.parametrize("ids", [[], ["not-an-id"], ["00000000-0000-0000-0000-000000000000"] * 201])
def test_ids_that_are_none_are_refused(untouched: Api, ids: list[str]) -> None:
    problem(asked(untouched, ids), 422)
