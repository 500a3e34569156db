"""A random world on the real API: what is done to it there is done to the plain sets as well."""

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi.testclient import TestClient
from qdrant_client import QdrantClient
from sqlalchemy import update

from moat.records import DocumentState
from moat.tables import Indexing, utc_now
from tests.fakes.api import Api
from tests.fakes.worlds import GROUPS, KEYS, USERS, House, Paper, Person, World

PAGE = "https://intranet.example"


class Playing:
    """One world on one installation, with the steps that change both."""

    def __init__(self, seed: int, folder: Path, qdrant: QdrantClient) -> None:
        self.dice = random.Random(seed)
        self.world = World(self.dice)
        self.api = Api(folder, qdrant, cache={"answers": True})  # which must show in nothing
        self.clients: dict[str, TestClient] = {"admin": self.api.admin}
        self.admin = Person("admin", is_admin=True, uploads=True)
        assert self.api.admin.delete("/v1/corpora/default").status_code == 202

    def close(self) -> None:
        for name in self.api.vectors.collections():
            self.api.vectors.drop(name)
        self.api.close()

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
        self._index_all()
        self.api.work()
        self.world.index()

    def _index(self) -> None:
        """New versions serve, while the points of everything that changed still say the old."""
        self._index_all()
        self.world.index()

    def _index_all(self) -> None:
        """Index until nothing waits: on a busy machine a store may answer too late, and is asked again."""
        waiting = update(Indexing).where(Indexing.state == DocumentState.QUEUED).values(available_at=utc_now())
        for _ in range(20):
            self.api.index()
            with self.api.database.transaction() as session:
                if not session.execute(waiting).rowcount:  # type: ignore[attr-defined]
                    # As if it had taken a minute: at the pace of these small texts, what waits would round to no time.
                    session.execute(update(Indexing).values(finished_at=utc_now() - timedelta(minutes=1)))
                    return
        raise AssertionError("indexing does not end")

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


def text_of(word: str) -> str:
    """Write a document that says its secret; every one of them answers the question about salaries."""
    return f"The salary of {word} is paid in June.\n"
