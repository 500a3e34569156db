"""What is erased, or no longer yours to read, is shown by nothing, and what is erased is in no file of the home."""

import gzip
import random
import string
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.api import events
from tests.fakes.patient import eventually
from tests.fakes.platform import running_platform

pytestmark = pytest.mark.end_to_end

SETTLED_S = 120.0
CHANCE = random.Random(4)


@dataclass
class Planted:
    """One document with a word and a sentence that stand nowhere else, and the answers made of it."""

    number: int
    subject: str
    word: str
    name: str
    sentence: str
    id: str = ""
    key: str = ""
    answer: str = ""
    streamed: str = ""

    @property
    def question(self) -> str:
        return f"Where is the vessel {self.subject} moored?"

    @property
    def canaries(self) -> tuple[str, ...]:
        return (self.word, self.name, self.sentence)


def planted(number: int) -> Planted:
    word, name, *subject = ("".join(CHANCE.sample(string.ascii_lowercase, 14)) for _ in range(4))
    vessel = " ".join(subject)
    return Planted(number, vessel, word, name, f"The vessel {vessel} is moored at the pier called {word}")


def upload(admin: httpx.Client, plants: list[Planted]) -> None:
    for plant in plants:
        text = f"{plant.sentence}.\n\nThe harbour office writes one note about each vessel."
        sent = admin.post(
            "/v1/corpora/default/documents",
            files=[("files", (f"{plant.name}.txt", text.encode()))],
            data={"access": ["staff"], "key": f"{plant.name}.txt"},
        )
        assert sent.status_code == 202, sent.text
        plant.id = sent.json()["items"][0]["id"]


def counts(admin: httpx.Client) -> dict[str, int]:
    return admin.get("/v1/corpora/default/documents").json()["counts"]


def ask(reader: httpx.Client, plant: Planted, **more: Any) -> httpx.Response:
    return reader.post(
        "/v1/answers", json={"question": plant.question, **more}, headers={"Idempotency-Key": f"{plant.number}{more}"}
    )


def ask_both_ways(reader: httpx.Client, plant: Planted) -> None:
    answered, streamed = ask(reader, plant), ask(reader, plant, stream=True)
    assert plant.word in answered.json()["answer"], answered.text
    plant.answer = answered.json()["id"]
    plant.streamed = dict(events(streamed.text))["done"]["id"]


def shown(reader: httpx.Client, plant: Planted) -> Iterator[tuple[str, str]]:
    """Everything that could show a document to a reader, by name."""
    yield "question", reader.post("/v1/answers", json={"question": plant.question}).text
    yield "stream", reader.post("/v1/answers", json={"question": plant.question, "stream": True}).text
    yield "search", reader.post("/v1/search", json={"question": plant.question, "limit": 200, "explain": True}).text
    yield "stored answer", reader.get(f"/v1/answers/{plant.answer}").text
    yield "stored streamed answer", reader.get(f"/v1/answers/{plant.streamed}").text
    yield "repeated question", ask(reader, plant).text
    yield "repeated stream", ask(reader, plant, stream=True).text
    yield "export", reader.get("/v1/users/ann/export").text
    for what in ("", "/content", "/text", "/chunks", "/events"):
        response = reader.get(f"/v1/documents/{plant.id}{what}")
        assert response.status_code == 404, (what, response.text)
        yield what, response.text


def files_with(words: list[str], home: Path) -> dict[str, set[str]]:
    """Name the files in which each word stands, in their bytes or in what they hold compressed."""
    found: dict[str, set[str]] = {word: set() for word in words}
    for path in home.rglob("*"):
        if not path.is_file() or path.is_symlink():
            continue
        data = path.read_bytes().replace(bytes(4096), b"")  # the engine's files are mostly room for more
        for held in (data, unpacked(data)):
            for word in words:
                if word.encode() in held or word.encode("utf-16-le") in held:
                    found[word].add(str(path.relative_to(home)))
    return found


def unpacked(data: bytes) -> bytes:
    try:
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else zlib.decompress(data)
    except (OSError, EOFError, zlib.error):
        return b""


def erased(admin: httpx.Client, ids: list[str]) -> list[dict[str, Any]]:
    return [admin.get(f"/v1/erasures/{id_}").json() for id_ in ids]


@pytest.mark.parametrize("count", [6, pytest.param(101, marks=pytest.mark.soak)])
def test_revoked_and_erased_documents_are_shown_by_nothing(tmp_path: Path, count: int) -> None:
    home = tmp_path / "home"
    plants = [planted(number) for number in range(101, 101 + count)]
    gone, revoked, kept = plants[: count // 2], plants[count // 2 : -1], plants[-1]
    with running_platform(home, environment={"MOAT_ERASURE__WAIT_S": "0", "MOAT_CACHE__ANSWERS": "true"}) as running:
        url = running.url
        admin = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {running.admin_key}"}, timeout=120)
        made = admin.post(
            "/v1/keys", json={"name": "ann", "user": "ann", "groups": ["staff"], "scopes": ["read", "ask"]}
        )
        reader = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {made.json()['key']}"}, timeout=120)
        upload(admin, plants)
        eventually(lambda: counts(admin) == {"ready": count}, SETTLED_S)
        for plant in plants:
            ask_both_ways(reader, plant)
        before = files_with([plant.word for plant in plants], home)
        for plant in plants:  # else it would prove nothing that they are found nowhere later
            kinds = {place.split("/")[0] for place in before[plant.word]}
            assert kinds >= {"blobs", "qdrant"}, before[plant.word]
        assert any("catalog.db" in place for places in before.values() for place in places)

        deletions = [admin.delete(f"/v1/documents/{plant.id}") for plant in gone]
        assert all(deletion.status_code == 202 for deletion in deletions)
        for plant in revoked:
            changed = admin.put(f"/v1/documents/{plant.id}/access", json={"access": ["board"]})
            assert changed.status_code == 200
        hidden = [canary for plant in (*gone, *revoked) for canary in plant.canaries]
        listed = reader.get("/v1/corpora/default/documents", params={"limit": 500})
        assert [item["id"] for item in listed.json()["items"]] == [kept.id]
        assert not [canary for canary in hidden if canary in listed.text]
        for plant in (*gone, *revoked):
            for name, text in shown(reader, plant):
                found = [canary for canary in hidden if canary in text]
                assert not found, (plant.number, name, found)
        assert kept.word in reader.get(f"/v1/answers/{kept.answer}").json()["answer"]
        assert kept.word in ask(reader, kept).json()["answer"]

        reports = [deletion.json()["erasure_id"] for deletion in deletions]
        eventually(lambda: {report["state"] for report in erased(admin, reports)} == {"done"}, SETTLED_S)
        for report in erased(admin, reports):
            assert report["removed"]["documents"] == 1
            assert report["removed"]["answers"] >= 2
            left = {name: n for name, n in report["checked"].items() if name.endswith("_left")}
            assert left == {"points_left": 0, "rows_left": 0, "blobs_left": 0}
            assert report["checked"]["catalog_rewritten"]
            assert report["checked"]["catalog_log_cut"]
        words = [canary for plant in gone for canary in plant.canaries]
        after = files_with(words, home)
        assert {word: places for word, places in after.items() if places} == {}
        still = files_with([plant.word for plant in revoked], home)
        assert all(still.values())
    after = files_with(words, home)
    assert {word: places for word, places in after.items() if places} == {}
