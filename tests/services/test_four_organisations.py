"""Four real organisations in one corpus, each a group: no reader of one is shown a passage of another."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.workload import data_folder
from moat.records import DocumentState
from tests.fakes.api import Api
from tests.fakes.edge_process import edge_process

FOLDER = data_folder() / "co_dev"
FILES_EACH = 75  # all 1,813 would take many minutes to index, and add nothing to who may read what
QUESTIONS = 1_000
SEED = 20_240

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="set MOAT_DATA to a folder with co_dev in it"),
]


@pytest.fixture(scope="module")
def dice() -> random.Random:
    return random.Random(SEED)


@pytest.fixture(scope="module")
def organisations(
    tmp_path_factory: pytest.TempPathFactory, dice: random.Random
) -> Iterator[tuple[Api, dict[str, str]]]:
    """The indexed files, and whose each document is."""
    with edge_process() as edge:
        api = Api(tmp_path_factory.mktemp("organisations"), edge.client())
        for group in sorted(path.name for path in (FOLDER / "docs").iterdir()):
            files = sorted(path for path in (FOLDER / "docs" / group).rglob("*") if path.is_file())
            for file in dice.sample(files, FILES_EACH):
                api.upload(file.name, file.read_bytes(), key=str(file.relative_to(FOLDER)), access=group)
        for _ in range(3):  # attachments become documents, which may have some too
            api.work()
        page = api.admin.get("/v1/corpora/default/documents", params={"limit": 500}).json()
        assert page["next_cursor"] is None
        # By the keys, which begin with the folder: an attachment's with that of its mail.
        yield api, {document["id"]: document["key"].split("/")[1] for document in page["items"]}
        api.close()


def questions() -> list[str]:
    lines = [*(FOLDER / "questions.jsonl").open(), *(FOLDER / "faq_questions.jsonl").open()]
    return [str(json.loads(line)["question"]) for line in lines]


def test_no_passage_of_another_organisation_in_a_thousand_questions(
    organisations: tuple[Api, dict[str, str]], dice: random.Random
) -> None:
    api, owner = organisations
    ready = api.admin.get("/v1/corpora/default").json()["counts"][DocumentState.READY]
    assert ready > 0.9 * 4 * FILES_EACH, "else there is little to be kept apart"
    groups = sorted(set(owner.values()))
    assert len(groups) == 4
    readers = {group: api.person(f"reader of {group}", group) for group in groups}
    asked = questions()
    shown: Counter[str] = Counter()
    for number in range(QUESTIONS):
        question, group = asked[number % len(asked)], dice.choice(groups)
        body: dict[str, Any] = {"question": question}
        found = readers[group].post("/v1/search", json=body | {"limit": 50}).json()["passages"]
        assert {owner[passage["document_id"]] for passage in found} <= {group}, question
        shown[group] += len(found)
        if number % 5 == 0:
            answer = readers[group].post("/v1/answers", json=body).json()
            assert {owner[citation["document_id"]] for citation in answer["citations"]} <= {group}, question
    assert min(shown[group] for group in groups) > QUESTIONS, "every organisation's readers found plenty of their own"
    print(f"{ready} files, {QUESTIONS} questions, passages shown: {dict(shown)}")


def test_each_organisation_s_readers_list_their_own_documents(organisations: tuple[Api, dict[str, str]]) -> None:
    api, owner = organisations
    for group, count in Counter(owner.values()).items():
        page = (
            api.person(f"lister of {group}", group).get("/v1/corpora/default/documents", params={"limit": 500}).json()
        )
        assert {item["id"] for item in page["items"]} == {id_ for id_, whose in owner.items() if whose == group}
        assert sum(page["counts"].values()) == count
