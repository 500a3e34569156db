"""Compares all that people are shown with what the plain sets allow, round after round of a random world."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from qdrant_client import QdrantClient

from tests.fakes.api import events
from tests.fakes.playing import Playing, text_of
from tests.fakes.worlds import Person

ROUNDS = 20
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass
class Told:
    """An answer that was given, with what its reader could find then."""

    body: dict[str, Any]
    request: dict[str, Any]
    idempotency_key: str
    found: set[str]
    corpora: set[str]


class Oracle(Playing):
    """`play` changes the world and asks; `checked` counts what was compared."""

    def __init__(self, seed: int, folder: Path, qdrant: QdrantClient) -> None:
        super().__init__(seed, folder, qdrant)
        self.answers: dict[str, list[Told]] = {}
        self.checked = {"searches": 0, "answers": 0, "read again": 0, "lists": 0, "documents": 0, "uploads": 0}

    def play(self) -> None:
        for _ in range(3):
            self._add_house()
        self._add_people()
        for _ in range(8):
            self._upload(self.admin)
        self._work()
        checks = (self._ask, self._ask, self._read_again, self._list, self._open, self._upload_as_somebody)
        for _ in range(ROUNDS):
            for _ in range(self.dice.choice((0, 1, 1, 2))):
                self._change()
            who = self.dice.choice(self.world.people)
            self._search(who)
            for check in self.dice.sample(checks, 2):
                check(who)
        for who in self.world.people:  # whatever the dice left out
            self._upload_as_somebody(who)
            self._search(who)
            self._read_again(who)

    def _question(self) -> str:
        words = sorted(self.world.known_words) or ["nobody"]
        return self.dice.choice(
            ("When is the salary paid?", f"When is the salary of {self.dice.choice(words)} paid?", "Zebras juggle?")
        )

    def _some_corpora(self, who: Person) -> tuple[dict[str, Any], bool]:
        """Choose where to look, and tell whether that may be asked."""
        if self.dice.random() < 0.6 or not self.world.houses:
            return {}, True
        house = self.dice.choice(list(self.world.houses.values()))
        named = self.dice.choice((house.name, house.id))
        return {"corpora": [named]}, house.name in self.world.corpora_of(who)

    def _search(self, who: Person) -> None:
        chosen, allowed = self._some_corpora(who)
        body = {"question": "When is the salary paid?", "limit": 200, "explain": True, **chosen}
        response = self._send(who, "POST", "/v1/search", json=body)
        self.checked["searches"] += 1
        if not allowed:
            self._is_as_if_missing(who, response, "POST", "/v1/search", body, chosen["corpora"][0])
            return
        assert response.status_code == 200, response.text
        passages = response.json()["passages"]
        looked_in = self.world.corpora_of(who)
        if chosen:
            looked_in = {h.name for h in self.world.houses.values() if {h.name, h.id} & set(chosen["corpora"])}
        expected = {id_ for id_ in self.world.found_by(who) if self.world.papers[id_].corpus in looked_in}
        found = {passage["document_id"] for passage in passages}
        assert found == expected, f"{who}: missing {expected - found}, not theirs {found - expected}"
        for passage in passages:
            assert passage["text"] == text_of(self.world.papers[passage["document_id"]].serving or "").strip()
        if not who.is_admin:
            assert {p["arms"]["sparse"]["score"] for p in passages if "sparse" in p["arms"]} <= {None}

    def _ask(self, who: Person) -> None:
        chosen, allowed = self._some_corpora(who)
        request = {"question": self._question(), **chosen}
        key, stream = uuid4().hex, self.dice.random() < 0.3
        sent = {"json": {**request, "stream": stream}, "headers": {"Idempotency-Key": key}}
        response = self._send(who, "POST", "/v1/answers", **sent)
        self.checked["answers"] += 1
        if not allowed:
            return self._is_as_if_missing(who, response, "POST", "/v1/answers", request, chosen["corpora"][0])
        assert response.status_code == 200, response.text
        body = dict(events(response.text))["done"] if stream else response.json()
        seen = self.world.found_by(who)
        assert {citation["document_id"] for citation in body["citations"]} <= seen
        self._ask_once_more(who, request, body)
        told = Told(body, sent["json"], key, seen, self.world.corpora_of(who))
        self.answers.setdefault(who.name, []).append(told)
        other = self.dice.choice([p for p in self.world.people if p.name != who.name])
        for method, path, more in (("GET", "", {}), ("POST", "/feedback", {"json": {"rating": "up"}})):
            refused = self._send(other, method, f"/v1/answers/{body['id']}{path}", **more)
            assert refused.status_code == 404, refused.text

    def _ask_once_more(self, who: Person, request: dict[str, Any], body: dict[str, Any]) -> None:
        """The same question at once, as a new one: where the same passages are found, the answer that was kept."""
        again = self._send(who, "POST", "/v1/answers", json=request).json()
        assert again["id"] != body["id"]
        assert {citation["document_id"] for citation in again["citations"]} <= self.world.found_by(who)

    def _read_again(self, who: Person) -> None:
        """Stored answers, and the same POST once more, show what may be read by now."""
        for told in self.answers.get(who.name, [])[-3:]:
            self.checked["read again"] += 1
            again = self._send(who, "GET", f"/v1/answers/{told.body['id']}", exempt=words_in(told.request["question"]))
            assert again.status_code == 200, again.text
            repeated = self._send(
                who, "POST", "/v1/answers", json=told.request, headers={"Idempotency-Key": told.idempotency_key}
            )
            body = dict(events(repeated.text))["done"] if told.request["stream"] else repeated.json()
            assert body == again.json(), "a repetition shows what the history does"
            if told.found <= self.world.papers_of(who) and told.corpora <= self.world.corpora_of(who):
                assert body == told.body, "nothing of it was taken away"
            given = self._send(who, "POST", f"/v1/answers/{body['id']}/feedback", json={"rating": "down"})
            assert given.status_code == 204

    def _list(self, who: Person) -> None:
        if not who.reads_lists:
            return
        self.checked["lists"] += 1
        shown = {item["name"]: item for item in self._send(who, "GET", "/v1/corpora").json()["items"]}
        assert set(shown) == self.world.corpora_of(who)
        readable, found = self.world.papers_of(who), self.world.found_by(who)
        for house in self.world.houses.values():
            path = f"/v1/corpora/{self.dice.choice((house.name, house.id))}/documents"
            page = self._send(who, "GET", path, params={"limit": 500})
            if house.name not in shown:
                self._is_as_if_missing(who, page, "GET", path, None, path.split("/")[3])
                continue
            body, mine = page.json(), {id_ for id_ in readable if self.world.papers[id_].corpus == house.name}
            assert {item["id"] for item in body["items"]} == mine
            assert sum(body["counts"].values()) == len(mine) == shown[house.name]["documents"]
            assert shown[house.name]["chunks"] == len(mine & found)
            if not any(self.world.papers[id_].waits for id_ in mine):
                assert body["seconds_left"] == 0, "what waits unseen must not show in the time left"
        self._send(who, "GET", "/v1/costs", params={"group_by": "corpus"})

    def _open(self, who: Person) -> None:
        if not who.reads_lists or not self.world.known_ids:
            return
        self.checked["documents"] += 1
        readable = self.world.papers_of(who)
        for id_ in self.dice.sample(sorted(self.world.known_ids), min(3, len(self.world.known_ids))):
            part = self.dice.choice(("", "/content", "/text", "/chunks"))
            path = f"/v1/documents/{id_}{part}"
            response = self._send(who, "GET", path)
            if id_ not in readable:
                self._is_as_if_missing(who, response, "GET", path, None, id_)
            elif part in ("", "/content") or self.world.papers[id_].serving is not None:
                assert response.status_code == 200, response.text
            if part == "" and response.status_code == 200 and not who.is_admin:
                assert response.json()["timings"] == {}
                assert "embedded" not in response.json()["report"]

    def _upload_as_somebody(self, who: Person) -> None:
        if who.uploads:
            self.checked["uploads"] += 1
            self._upload(who)

    def _is_as_if_missing(
        self, who: Person, response: httpx.Response, method: str, path: str, body: Any, named: str
    ) -> None:
        """Compare a refusal with that of something that never was, letter by letter."""
        never = str(uuid4()) if _UUID.fullmatch(named) else self.world.new_word("corpus")
        asked = None if body is None else {**body, "corpora": [never]}
        missing = self.clients[who.name].request(method, path.replace(named, never), json=asked)
        assert response.status_code == missing.status_code == 404, response.text
        assert response.text.replace(named, never) == missing.text


def words_in(question: str) -> set[str]:
    return set(re.findall(r"\w+", question))
