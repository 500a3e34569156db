"""Plays a random world on the real API, and compares all that people are shown with what the plain sets allow."""

import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from fastapi.testclient import TestClient
from qdrant_client import QdrantClient

from tests.fakes.api import Api, events
from tests.fakes.worlds import GROUPS, KEYS, USERS, House, Paper, Person, World

PAGE = "https://intranet.example"
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


class Oracle:
    """One world on one installation: `play` changes it and asks, round after round."""

    def __init__(self, seed: int, folder: Path, qdrant: QdrantClient) -> None:
        self.dice = random.Random(seed)
        self.world = World(self.dice)
        self.api = Api(folder, qdrant)
        self.clients: dict[str, TestClient] = {"admin": self.api.admin}
        self.answers: dict[str, list[Told]] = {}
        self.checked = {"searches": 0, "answers": 0, "read again": 0, "lists": 0, "documents": 0, "uploads": 0}
        self.admin = Person("admin", is_admin=True, uploads=True)
        assert self.api.admin.delete("/v1/corpora/default").status_code == 202

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
        for who in self.world.people:
            self._search(who)
            self._read_again(who)

    def close(self) -> None:
        for name in self.api.vectors.collections():
            self.api.vectors.drop(name)
        self.api.close()

    # What happens to the world.

    def _add_house(self) -> None:
        name, access = self.world.new_word("corpus"), self.world.some_access() | {self.dice.choice(GROUPS)}
        made = self.api.admin.post("/v1/corpora", json={"name": name, "access": sorted(access)})
        assert made.status_code == 201, made.text
        self.world.houses[name] = House(name, made.json()["id"], access)
        self.world.known_ids.add(made.json()["id"])

    def _add_people(self) -> None:
        corpora = sorted(self.world.houses)
        for user in USERS:
            groups = set(self.dice.sample(GROUPS, self.dice.choice((0, 1, 2))))
            if self.dice.random() < 0.3:
                groups.add(f"user:{self.dice.choice(USERS)}")  # a group that is called like a person
            within = frozenset(self.dice.sample(corpora, 2)) if self.dice.random() < 0.3 else None
            uploads = self.dice.random() < 0.5
            ids = None if within is None else [self.api.corpus_id(name) for name in sorted(within)]
            scopes = ("read", "ask", "upload") if uploads else ("read", "ask")
            self.clients[user] = self.api.person(user, *sorted(groups), scopes=scopes, corpora=ids)
            self.world.people.append(Person(user, frozenset(groups), within, uploads=uploads))
        self._add_visitor(corpora)
        self.world.people.append(self.admin)

    def _add_visitor(self, corpora: list[str]) -> None:
        group, within = self.dice.choice(GROUPS), self.dice.choice((None, corpora[:1]))
        body = {"name": "w", "origins": [PAGE], "groups": [group], "corpora": within}
        widget = self.api.admin.post("/v1/widgets", json=body).json()["id"]
        begun = self.api.client(Origin=PAGE).post("/v1/widget-sessions", json={"widget_id": widget})
        self.clients["visitor"] = self.api.client(begun.json()["token"], Origin=PAGE)
        reached = None if within is None else frozenset(within)
        self.world.people.append(Person("visitor", frozenset({group}), reached, reads_lists=False))

    def _change(self) -> None:
        steps = {
            self._grant: 6, self._open_house: 2, self._delete: 3, self._delete_house: 0.3, self._upload_by_admin: 4,
            self._work: 3, self._index: 2,
        }  # fmt: skip
        self.dice.choices(list(steps), list(steps.values()))[0]()

    def _grant(self) -> None:
        if not self.world.papers:
            return
        paper, access = self.dice.choice(list(self.world.papers.values())), self.world.some_access()
        put = self.api.admin.put(f"/v1/documents/{paper.id}/access", json={"access": sorted(access)})
        assert put.status_code == 200, put.text
        paper.access, paper.wanted = access, set(access)

    def _open_house(self) -> None:
        house, access = self.dice.choice(list(self.world.houses.values())), self.world.some_access()
        patched = self.api.admin.patch(f"/v1/corpora/{house.name}", json={"access": sorted(access)})
        assert patched.status_code == 200, patched.text
        house.access = access

    def _delete(self) -> None:
        if not self.world.papers:
            return
        id_ = self.dice.choice(list(self.world.papers))
        assert self.api.admin.delete(f"/v1/documents/{id_}").status_code == 202
        del self.world.papers[id_]

    def _delete_house(self) -> None:
        if len(self.world.houses) < 2:
            return
        house = self.dice.choice(list(self.world.houses.values()))
        assert self.api.admin.delete(f"/v1/corpora/{house.id}").status_code == 202
        del self.world.houses[house.name]
        self.world.papers = {p.id: p for p in self.world.papers.values() if p.corpus != house.name}
        self.world.known_words.setdefault(house.name, set())

    def _upload_by_admin(self) -> None:
        self._upload(self.admin)

    def _work(self) -> None:
        self.api.work()
        self.world.index()

    def _index(self) -> None:
        """New versions serve, while the points of everything that changed still say the old."""
        self.api.index()
        self.world.index()

    def _upload(self, who: Person) -> None:
        corpora = sorted(self.world.corpora_of(who))
        if not corpora:
            return
        corpus, key = self.dice.choice(corpora), self.dice.choice(KEYS)
        access = self.world.some_access() if self.dice.random() < 0.7 else None
        guessed = self.dice.choice(sorted(self.world.known_words)) if self.world.known_words else None
        repeats = guessed is not None and self.dice.random() < 0.3
        word = guessed if repeats and guessed is not None else self.world.new_word()
        before = self.world.under_key(who, corpus, key)
        fields: dict[str, Any] = {"key": key} | ({} if access is None else {"access": sorted(access)})
        if access == set():
            del fields["access"]  # a form has no empty list
            access = None
        sent = self._send(
            who, "POST", f"/v1/corpora/{corpus}/documents", data=fields,
            files=[("files", (f"{word}.txt", text_of(word).encode()))], exempt={word},
        )  # fmt: skip
        assert sent.status_code == 202, sent.text
        item = sent.json()["items"][0]
        self._believe(item, before, corpus, key, access, word)
        self.checked["uploads"] += 1

    def _believe(
        self, item: dict[str, Any], before: Paper | None, corpus: str, key: str, access: set[str] | None, word: str
    ) -> None:
        """A duplicate or a new version is of a document that the uploader may read; otherwise there is a new one."""
        id_ = item["id"]
        if before is None:
            assert id_ not in self.world.known_ids, "it names a document that the uploader may not read"
            assert not item["duplicate"]
            wanted = access if access is not None else set(self.world.houses[corpus].access)
            paper = Paper(id_, corpus, key, set(wanted), access, [])
            self.world.papers[id_] = paper
            self.world.known_ids.add(id_)
            self.world.add_word(paper, word)
            return
        assert id_ == before.id
        newest = before.wanted if before.wanted is not None else before.access
        same = before.words[-1] == word and (access is None or access == newest)
        assert item["duplicate"] == same
        if same:
            return
        self.world.add_word(before, word)
        before.wanted = access
        if access is not None:
            before.access &= access

    # What people are shown.

    def _send(
        self, who: Person, method: str, path: str, exempt: set[str] | None = None, **options: Any
    ) -> httpx.Response:
        """Send a request, and look through the whole response for anything that its sender must not see."""
        response = self.clients[who.name].request(method, path, **options)
        assert response.status_code < 500, response.text
        sent = f"{path} {options.get('json')}"
        text = response.text
        question = (options.get("json") or {}).get("question")
        if question:
            text = text.replace(question, "")
        for secret in self.world.hidden_from(who) - (exempt or set()):
            if secret in text and not (secret in sent and response.status_code == 404):
                raise AssertionError(f"{who.name} was shown {secret} by {method} {path}: {text[:1000]}")
        return response

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
        told = Told(body, sent["json"], key, seen, self.world.corpora_of(who))
        self.answers.setdefault(who.name, []).append(told)
        other = self.dice.choice([p for p in self.world.people if p.name != who.name])
        for method, path, more in (("GET", "", {}), ("POST", "/feedback", {"json": {"rating": "up"}})):
            refused = self._send(other, method, f"/v1/answers/{body['id']}{path}", **more)
            assert refused.status_code == 404, refused.text

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


def text_of(word: str) -> str:
    """Write a document that says its secret; every one of them answers the question about salaries."""
    return f"The salary of {word} is paid in June.\n"


def words_in(question: str) -> set[str]:
    return set(re.findall(r"\w+", question))
