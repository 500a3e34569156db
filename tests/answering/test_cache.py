"""Answers that are given again: to whom, for how long, and what they saved."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete, update

from moat.tables import AnswerRow, CachedAnswer, CallRow, utc_now
from tests.fakes.api import Api, stream
from tests.fakes.models import COST, LUNCH, PIECES, PRICES, rows
from tests.fakes.openai_server import FakeOpenAI, Reply, openai_server
from workers.reindex import advance_reindex
from workers.sweep import _purge

QUESTION = "When is lunch served in the canteen?"
OWN = {"conversation_id", "id", "cost", "timings", "created_at"}  # of each answer, however often it is given


class Canteen:
    """An API with a paid model and its cache on, and what its provider was asked."""

    def __init__(self, folder: Path, fake: FakeOpenAI, **settings: Any) -> None:
        self.fake = fake
        self.api = Api(
            folder,
            providers={"fake": {"base_url": fake.url, "api_key": "sk-provider-secret", "max_retries": 0}},
            models={"fake/large": PRICES, "fake/small": PRICES},
            **({"cache": {"answers": True}} | settings),
        )
        self.lunch = self.api.add("lunch.txt", LUNCH, access="staff", key="lunch")
        self.ann = self.api.person("ann", "staff")
        self.bob = self.api.person("bob", "staff")

    def ask(self, who: TestClient, question: str = QUESTION, **more: Any) -> dict[str, Any]:
        response = who.post("/v1/answers", json={"question": question, **more})
        assert response.status_code == 200, response.text
        return dict(response.json())

    @property
    def asked(self) -> int:
        return len(self.fake.requests)


@contextmanager
def running(folder: Path, *replies: Reply, **settings: Any) -> Iterator[Canteen]:
    with openai_server(*(replies or (Reply(PIECES),))) as fake:
        made = Canteen(folder, fake, **settings)
        try:
            yield made
        finally:
            made.api.close()


@pytest.fixture
def canteen(tmp_path: Path) -> Iterator[Canteen]:
    with running(tmp_path) as made:
        yield made


def test_same_question_is_answered_again_for_nothing_and_says_what_was_saved(canteen: Canteen) -> None:
    first = canteen.ask(canteen.ann)
    assert Decimal(first["cost"]["total_usd"]) == COST
    again = canteen.ask(canteen.bob, f"  {QUESTION.replace(' ', '  ')}\n")
    assert canteen.asked == 1
    assert again["cost"] == {"total_usd": "0", "saved_usd": str(COST), "calls": []}
    assert again["id"] != first["id"]
    assert {k: v for k, v in again.items() if k not in OWN | {"question"}} == {
        k: v for k, v in first.items() if k not in OWN | {"question"}
    }
    assert canteen.bob.get(f"/v1/answers/{again['id']}").json() == again, "it stands in one's own history"
    assert canteen.bob.get(f"/v1/answers/{first['id']}").status_code == 404
    assert sum((row.cost_usd for row in rows(canteen.api, CallRow)), Decimal(0)) == COST


def test_stream_of_a_kept_answer_tells_the_same_events(canteen: Canteen) -> None:
    first, again = (stream(canteen.ann, QUESTION) for _ in range(2))
    assert canteen.asked == 1
    assert [name for name, _ in again][:1] == ["sources"]
    assert again[0] == first[0]
    done = again[-1][1]
    assert "".join(data["text"] for name, data in again if name == "token") == done["answer"]
    assert [data for name, data in again if name == "citation"] == done["citations"] == first[-1][1]["citations"]


def test_dry_run_says_that_an_answer_is_kept(canteen: Canteen) -> None:
    assert canteen.ask(canteen.ann, dry_run=True)["kept"] is False
    canteen.ask(canteen.ann)
    told = canteen.ask(canteen.ann, dry_run=True)
    assert (told["kept"], told["ceiling_usd"], canteen.asked) == (True, "0", 1)
    assert canteen.ask(canteen.ann, max_cost_usd="0")["cost"]["saved_usd"] == str(COST), "it is within any limit"


def test_cache_is_off_unless_it_is_set(tmp_path: Path) -> None:
    with running(tmp_path, cache={}) as canteen:
        canteen.ask(canteen.ann)
        canteen.ask(canteen.ann)
        assert canteen.asked == 2
        assert rows(canteen.api, CachedAnswer) == []


def test_question_to_chosen_documents_finds_no_answer_of_others(canteen: Canteen) -> None:
    garden = canteen.api.add("garden.txt", "Lunch is served in the garden and in the canteen.\n", access="staff")
    for asked, documents in enumerate(([canteen.lunch], [garden], [canteen.lunch, garden]), 1):
        for _ in range(2):
            canteen.ask(canteen.ann, document_ids=documents)
            assert canteen.asked == asked


def test_follow_up_is_answered_anew_and_a_question_that_follows_nothing_is_not(canteen: Canteen) -> None:
    first = canteen.ask(canteen.ann)
    other = canteen.ask(canteen.ann, "Where is the canteen for lunch?")
    for _ in range(2):
        canteen.ask(canteen.ann, conversation_id=other["conversation_id"])
    assert canteen.asked == 4
    again = canteen.ask(canteen.ann, conversation_id=first["conversation_id"])
    assert (canteen.asked, again["cost"]["saved_usd"]) == (4, str(COST))


def test_corpus_can_be_left_out(canteen: Canteen) -> None:
    assert (
        canteen.api.admin.patch("/v1/corpora/default", json={"cache_answers": False}).json()["cache_answers"] is False
    )
    for _ in range(2):
        canteen.ask(canteen.ann)
    assert canteen.asked == 2
    canteen.api.admin.patch("/v1/corpora/default", json={"cache_answers": True})
    for _ in range(2):
        canteen.ask(canteen.ann)
    assert canteen.asked == 3


def test_other_question_and_other_model_are_asked_anew(canteen: Canteen) -> None:
    canteen.ask(canteen.ann)
    canteen.ask(canteen.ann, QUESTION.upper())
    canteen.ask(canteen.ann, model="fake/small")
    assert canteen.asked == 3


def test_readers_of_other_groups_never_share_and_groups_that_open_nothing_do_not_matter(canteen: Canteen) -> None:
    canteen.api.add("menu.txt", "The menu of the day hangs at the door.\n", access="kitchen")
    canteen.ask(canteen.ann)
    canteen.ask(canteen.api.person("cook", "staff", "kitchen"))
    canteen.ask(canteen.api.admin)
    assert canteen.asked == 3, "each of them may read something else"
    canteen.ask(canteen.api.person("eve", "staff", "chess-club"))
    assert canteen.asked == 3, "no document is the chess club's"


def test_grant_to_a_person_alone_makes_their_answers_their_own(canteen: Canteen) -> None:
    canteen.ask(canteen.ann)
    canteen.api.add("note.txt", "A private note about badges.\n", access="user:bob")
    canteen.ask(canteen.bob)
    canteen.ask(canteen.ann)
    assert canteen.asked == 2


def test_key_of_fewer_corpora_has_its_own_answers(canteen: Canteen) -> None:
    canteen.ask(canteen.ann)
    narrow = canteen.api.person("ann", "staff", corpora=[canteen.api.corpus_id("default")])
    canteen.ask(narrow)
    assert canteen.asked == 2


def test_new_version_ends_what_was_kept(canteen: Canteen) -> None:
    canteen.ask(canteen.ann)
    canteen.api.add("lunch.txt", LUNCH.replace("noon", "eleven"), access="staff", key="lunch")
    canteen.ask(canteen.ann)
    assert canteen.asked == 2
    assert "eleven" in str(canteen.fake.requests[-1]["messages"])


def test_new_document_that_answers_too_ends_what_was_kept(canteen: Canteen) -> None:
    canteen.ask(canteen.ann)
    canteen.api.add("brunch.txt", "On Sundays lunch is served in the canteen at eleven.\n", access="staff")
    canteen.ask(canteen.ann)
    assert canteen.asked == 2


def test_document_that_is_gained_or_lost_ends_what_was_kept_before_any_worker_ran(canteen: Canteen) -> None:
    other = canteen.api.add("brunch.txt", "Brunch: lunch is served at eleven.\n", access="kitchen")
    canteen.ask(canteen.ann)
    canteen.api.admin.put(f"/v1/documents/{other}/access", json={"access": ["staff"]})
    canteen.ask(canteen.ann)
    assert canteen.asked == 2
    canteen.api.admin.put(f"/v1/documents/{other}/access", json={"access": ["kitchen"]})
    canteen.api.admin.put(f"/v1/documents/{canteen.lunch}/access", json={"access": ["kitchen"]})
    lost = canteen.ask(canteen.ann)
    assert (lost["abstained"], lost["citations"], canteen.asked) == (True, [], 2)
    assert "noon" not in str(lost)


def test_deleted_document_s_answer_is_not_given_again(canteen: Canteen) -> None:
    canteen.ask(canteen.ann)
    assert canteen.api.admin.delete(f"/v1/documents/{canteen.lunch}").status_code == 202
    gone = canteen.ask(canteen.bob)
    assert gone["abstained"]
    assert "noon" not in str(gone)


def test_answer_of_which_a_part_was_withheld_is_not_given_again(canteen: Canteen) -> None:
    first = canteen.ask(canteen.ann)
    with canteen.api.database.transaction() as session:
        row = session.get_one(AnswerRow, UUID(first["id"]))
        row.body = {**(row.body or {}), "withheld": 1}
    canteen.ask(canteen.ann)
    assert canteen.asked == 2


def test_reindex_ends_what_was_kept(canteen: Canteen) -> None:
    canteen.ask(canteen.ann)
    job = UUID(canteen.api.admin.post("/v1/corpora/default/reindex", json={"chunk_tokens": 64}).json()["id"])
    advance_reindex(job, canteen.api.worker)
    canteen.api.index()
    canteen.ask(canteen.ann)
    assert canteen.asked == 1, "the old index serves on"
    advance_reindex(job, canteen.api.worker)
    canteen.ask(canteen.ann)
    assert canteen.asked == 2


def test_entries_end_with_their_time_and_with_their_answer(canteen: Canteen) -> None:
    canteen.ask(canteen.ann)
    with canteen.api.database.transaction() as session:
        session.execute(update(CachedAnswer).values(expires_at=utc_now() - timedelta(seconds=1)))
    canteen.ask(canteen.ann)
    assert canteen.asked == 2, "its time was over"
    canteen.ask(canteen.ann)
    assert canteen.asked == 2, "the new one took its place"
    with canteen.api.database.transaction() as session:
        session.execute(delete(AnswerRow))
    assert rows(canteen.api, CachedAnswer) == []
    canteen.ask(canteen.ann)
    assert canteen.asked == 3


def test_sweep_removes_what_is_over(canteen: Canteen) -> None:
    canteen.ask(canteen.ann)
    _purge(canteen.api.worker)
    assert len(rows(canteen.api, CachedAnswer)) == 1
    with canteen.api.database.transaction() as session:
        session.execute(update(CachedAnswer).values(expires_at=utc_now() - timedelta(seconds=1)))
    _purge(canteen.api.worker)
    assert rows(canteen.api, CachedAnswer) == []


def test_history_that_is_forgotten_is_not_given_to_others(canteen: Canteen) -> None:
    canteen.ask(canteen.ann)
    assert canteen.ann.delete("/v1/users/ann/history").status_code == 202
    canteen.ask(canteen.bob)
    assert canteen.asked == 2


@pytest.mark.parametrize(
    "reply",
    [Reply(PIECES, finish_reason="length"), Reply(PIECES, cut_after=1), Reply(status=500)],
    ids=["cut at its limit", "broken off", "refused"],
)
def test_answer_that_is_not_whole_is_not_kept(tmp_path: Path, reply: Reply) -> None:
    with running(tmp_path, reply) as canteen:
        canteen.ann.post("/v1/answers", json={"question": QUESTION})
        assert rows(canteen.api, CachedAnswer) == []


def test_extractive_answers_are_kept_too(canteen: Canteen) -> None:
    first, again = (canteen.ask(canteen.ann, model="extractive") for _ in range(2))
    assert len(rows(canteen.api, CachedAnswer)) == 1
    assert again["cost"] == {"total_usd": "0", "saved_usd": "0", "calls": []}
    assert {k: v for k, v in again.items() if k not in OWN} == {k: v for k, v in first.items() if k not in OWN}
