"""The arms ask the API what they say they ask, and understand what it answers."""

from decimal import Decimal

import httpx
import pytest

from evaluation.answers import Answers
from evaluation.arms import api_arms
from evaluation.client import HttpClient
from evaluation.records import FoundPassage
from moat.errors import Forbidden, InvalidRequest, MoatError, NotFound, Unauthenticated, Unavailable
from tests.fakes.measured_moat import MeasuredMoat, answer, problem


def test_each_arm_asks_for_its_own_retrieval_and_served_for_none() -> None:
    moat = MeasuredMoat(found={"dense+sparse": {}, "dense": {}, "sparse": {}, "served": {}})
    for arm in api_arms(HttpClient(moat.client()), ["hybrid", "dense", "sparse", "served"], corpora=["hr"], limit=7):
        arm.search("Why?")
    fixed = {"question": "Why?", "corpora": ["hr"], "limit": 7}
    assert moat.requests == [
        ("POST", "/v1/search", fixed | {"retrieval": {"arms": ["dense", "sparse"], "fusion": "rrf", "rerank": False}}),
        ("POST", "/v1/search", fixed | {"retrieval": {"arms": ["dense"], "fusion": "rrf", "rerank": False}}),
        ("POST", "/v1/search", fixed | {"retrieval": {"arms": ["sparse"], "fusion": "rrf", "rerank": False}}),
        ("POST", "/v1/search", fixed),
    ]


def test_without_corpora_the_server_searches_all_that_the_key_may_read() -> None:
    moat = MeasuredMoat(found={"served": {}})
    api_arms(HttpClient(moat.client()), ["served"])[0].search("Why?")
    assert moat.requests[0][2] == {"question": "Why?", "limit": 50}


def test_passages_come_back_in_the_servers_order() -> None:
    moat = MeasuredMoat(found={"dense": {"Why?": [("b.md", "because"), ("a.md", "so")]}})
    (arm,) = api_arms(HttpClient(moat.client()), ["dense"])
    assert arm.search("Why?") == (
        FoundPassage("b.md", "because", 1.0, "p1"),
        FoundPassage("a.md", "so", 0.5, "p2"),
    )


def test_answers_are_asked_of_the_served_arm_alone_which_is_added_last() -> None:
    moat = MeasuredMoat(found={})
    arms = api_arms(HttpClient(moat.client()), ["hybrid"], answers=True)
    assert [(arm.name, arm.answer is not None) for arm in arms] == [("hybrid", False), ("served", True)]


def test_a_citations_document_is_looked_up_once_for_its_key_and_its_text() -> None:
    moat = MeasuredMoat(
        found={"served": {}},
        answers={"Why?": answer("d1", "d2", "d1", cost_usd="0.0012")},
        documents={"d1": "hr/leave.md", "d2": "hr/pay.md"},
    )
    (arm,) = api_arms(HttpClient(moat.client()), ["served"], corpora=["hr"], answers=True)
    assert arm.answer is not None
    for _time in range(2):
        given = arm.answer("Why?")
        assert [quote.key for quote in given.quotes] == ["hr/leave.md", "hr/pay.md", "hr/leave.md"]
        assert (given.abstained, given.cost_usd, given.model) == (False, Decimal("0.0012"), "extractive")
        assert [quote.verbatim for quote in given.quotes] == [True, True, True]
    looked_up = ["/v1/documents/d1", "/v1/documents/d1/text", "/v1/documents/d2", "/v1/documents/d2/text"]
    assert [path for _method, path, _body in moat.requests] == [
        "/v1/answers", *looked_up, "/v1/search", "/v1/answers", "/v1/search",
    ]  # fmt: skip
    assert moat.requests[0][2] == {"question": "Why?", "corpora": ["hr"]}


def test_a_quote_that_does_not_stand_at_its_span_is_not_verbatim() -> None:
    given = answer("d1", "d1")
    given["citations"][1]["span"] = [3, 5]
    moat = MeasuredMoat(found={}, answers={"Why?": given}, documents={"d1": "hr/leave.md"})
    quotes = Answers(HttpClient(moat.client())).ask({"question": "Why?"}).quotes
    assert [quote.verbatim for quote in quotes] == [True, False]


def test_an_answer_s_own_score_counts_and_else_the_similarity_of_the_nearest_passage() -> None:
    found = {"served": {"Why?": [("a.md", "so"), ("b.md", "because")]}}
    moat = MeasuredMoat(
        found=found,
        answers={"Why?": answer("d1"), "How?": answer("d1") | {"confidence": 0.25}},
        documents={"d1": "a.md"},
    )
    (arm,) = api_arms(HttpClient(moat.client()), ["served"], answers=True)
    assert arm.answer is not None
    assert [arm.answer(question).score for question in ("Why?", "How?")] == [0.9, 0.25]
    moat.reading = {"answers": True, "likeliness": 0.6, "threshold": 0.4}
    assert [arm.answer(question).score for question in ("Why?", "How?")] == [0.6, 0.25], "what the server decides by"


def test_settings_of_one_s_own_are_arms_by_their_name() -> None:
    moat = MeasuredMoat(found={"sparse": {}})
    own = {"no-vectors": {"arms": ["sparse"]}}
    api_arms(HttpClient(moat.client()), ["no-vectors"], own=own)[0].search("Why?")
    assert moat.requests[0][2]["retrieval"] == {"arms": ["sparse"]}


def test_an_unknown_arm_is_refused_with_the_list() -> None:
    with pytest.raises(InvalidRequest, match="no arm bm25") as refused:
        api_arms(HttpClient(MeasuredMoat(found={}).client()), ["hybrid", "bm25"])
    assert "hybrid, dense, sparse, blend, served" in refused.value.hint


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, Unauthenticated),
        (403, Forbidden),
        (404, NotFound),
        (422, InvalidRequest),
        (500, Unavailable),
        (503, Unavailable),
    ],
)
def test_the_servers_problems_keep_their_fact_and_hint(status: int, kind: type[MoatError]) -> None:
    moat = MeasuredMoat(found={}, refuse={"Why?": problem(status, "It cannot be.", "Try that.")})
    with pytest.raises(kind) as refused:
        HttpClient(moat.client()).post("/v1/search", {"question": "Why?"})
    assert refused.value.detail == f"POST /v1/search: {status}, It cannot be."
    assert refused.value.hint == "Try that."


def test_an_address_that_is_no_moat_is_named() -> None:
    moat = MeasuredMoat(found={}, refuse={"Why?": httpx.Response(200, text="<html>hello</html>")})
    with pytest.raises(InvalidRequest, match="not a JSON object"):
        HttpClient(moat.client()).post("/v1/search", {"question": "Why?"})


def test_a_server_that_is_not_there_is_unavailable() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with (
        httpx.Client(transport=httpx.MockTransport(refuse), base_url="http://moat.test") as http,
        pytest.raises(Unavailable, match=r"http://moat\.test got no answer: ConnectError"),
    ):
        HttpClient(http).get("/v1/corpora")
