"""A search and a question look at chosen documents alone."""

from typing import Any

import pytest

from tests.fakes.api import Api, problem

QUESTION = "When is lunch served in the canteen?"


@pytest.fixture
def meals(api: Api) -> tuple[str, str]:
    return (
        api.add("lunch.txt", "Lunch is served at noon in the canteen.\n"),
        api.add("berlin.txt", "In Berlin lunch is served at one in the canteen.\n"),
    )


def asked(api: Api, path: str, ids: list[str], **more: Any) -> Any:
    return api.admin.post(path, json={"question": QUESTION, "document_ids": ids} | more)


def test_passages_and_citations_come_from_them_alone(api: Api, meals: tuple[str, str]) -> None:
    for document in meals:
        found = asked(api, "/v1/search", [document]).json()["passages"]
        assert {passage["document_id"] for passage in found} == {document}
        answer = asked(api, "/v1/answers", [document]).json()
        assert {citation["document_id"] for citation in answer["citations"]} == {document}
        assert asked(api, "/v1/answers", [document], dry_run=True).json()["passages"] == 1
    both = asked(api, "/v1/search", list(meals)).json()["passages"]
    assert {passage["document_id"] for passage in both} == set(meals)


def test_an_abstention_says_that_little_was_searched(api: Api, meals: tuple[str, str]) -> None:
    body = {"question": "Zebra quantum orbit telescope?", "document_ids": [meals[0]]}
    answer = api.admin.post("/v1/answers", json=body).json()
    assert answer["abstained"]
    assert "Searched: 1 chosen document of default." in answer["answer"]


def test_what_may_not_be_read_is_as_if_it_did_not_exist(api: Api, meals: tuple[str, str]) -> None:
    secret = api.add("secret.txt", "Lunch is served to the board at two.\n", access=["board"])
    ann = api.person("ann")
    for path in ("/v1/search", "/v1/answers"):
        refused = ann.post(path, json={"question": QUESTION, "document_ids": [meals[0], secret]})
        assert secret in problem(refused, 404)["detail"]
        assert problem(asked(api, path, []), 422)
