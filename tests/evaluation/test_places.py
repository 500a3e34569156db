"""Questions are labelled with the corpus that holds their file."""

import httpx

from evaluation.client import HttpClient
from evaluation.places import with_corpora
from evaluation.records import Question

DOCUMENTS = {"hr": ["leave.md", "both.md"], "finance": ["pay.md", "both.md"]}
QUESTIONS = (
    Question("a", "?", {"pay.md": 1}),
    Question("b", "?", {"both.md": 1}),
    Question("c", "?", {"nowhere.md": 1}),
    Question("d", "?", {"leave.md": 1}, corpus="said so"),
    Question("e", "?", {}, answerable=False),
)


def client(*corpora: str) -> HttpClient:
    """A server of two pages a list, one document each."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/corpora":
            return httpx.Response(200, json={"items": [{"name": name} for name in corpora], "next_cursor": None})
        keys = DOCUMENTS[request.url.path.split("/")[3]]
        place = int(request.url.params.get("cursor", "0"))
        following = str(place + 1) if place + 1 < len(keys) else None
        return httpx.Response(200, json={"items": [{"key": keys[place]}], "next_cursor": following})

    return HttpClient(httpx.Client(transport=httpx.MockTransport(answer), base_url="http://moat.test"))


def test_each_file_is_looked_for_in_every_corpus_to_its_last_page() -> None:
    found = with_corpora(client("hr", "finance"), QUESTIONS, ())
    assert [question.corpus for question in found] == ["finance", "hr", "", "said so", ""]


def test_only_the_corpora_asked_are_looked_through() -> None:
    found = with_corpora(client("hr", "finance"), QUESTIONS, ("finance", "hr"))
    assert [question.corpus for question in found][:2] == ["finance", "finance"]


def test_where_there_is_one_corpus_nothing_is_to_be_told_apart() -> None:
    assert with_corpora(client("hr"), QUESTIONS[:3], ()) == QUESTIONS[:3]
