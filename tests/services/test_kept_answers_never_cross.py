"""Two readers of different groups ask the same questions, with the cache on, while documents change and move."""

import random
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from moat.tables import CachedAnswer
from tests.fakes.api import Api
from tests.fakes.models import PRICES, rows
from tests.fakes.openai_server import openai_server
from tests.fakes.quoting_model import QuotingModel

VESSELS = ("Aurora", "Borealis", "Cygnus", "Draco", "Equuleus", "Fornax", "Grus", "Hydra")
SIDES = ("north", "south", "both")
CODE = re.compile(r"\bcode(\d+)\b")
CHANGE_EVERY = 10


class Harbour:
    """For each vessel a note of the north, one of the south, one of both, each with a code that stands nowhere else."""

    def __init__(self, api: Api, dice: random.Random) -> None:
        self.api, self.dice = api, dice
        self.people = {"ann": api.person("ann", "north"), "bob": api.person("bob", "south")}
        self.sides = {"ann": "north", "bob": "south"}
        self.codes = 0
        self.notes: dict[tuple[str, str], tuple[str, set[str], str]] = {}  # (vessel, side) → id, groups, code
        for vessel in VESSELS:
            for side in SIDES:
                self.write(vessel, side, {"north", "south"} if side == "both" else {side})

    def write(self, vessel: str, side: str, groups: set[str]) -> None:
        self.codes += 1
        code = f"code{self.codes}"
        text = f"The berth of the {vessel} is {code}. The harbour office keeps one note about each berth.\n"
        id_ = self.api.add(f"{side}.txt", text, access=sorted(groups), key=f"{vessel}/{side}")
        self.notes[vessel, side] = id_, groups, code

    def change(self) -> None:
        """Let one note be rewritten, deleted and written anew, or given to other groups."""
        place = self.dice.choice(sorted(self.notes))
        id_, groups, code = self.notes[place]
        what = self.dice.choice(("rewrite", "delete", "move"))
        if what == "move":
            groups = set(self.dice.choice((["north"], ["south"], ["north", "south"])))
            changed = self.api.admin.put(f"/v1/documents/{id_}/access", json={"access": sorted(groups)})
            assert changed.status_code == 200
            self.notes[place] = id_, groups, code
            return
        if what == "delete":
            assert self.api.admin.delete(f"/v1/documents/{id_}").status_code == 202
        self.write(*place, groups)

    def readable(self, who: str) -> set[str]:
        return {code for _, groups, code in self.notes.values() if self.sides[who] in groups}


def ask(client: TestClient, question: str) -> dict[str, Any]:
    response = client.post("/v1/answers", json={"question": question})
    assert response.status_code == 200, response.text
    return dict(response.json())


@pytest.mark.parametrize("count", [40, pytest.param(1_000, marks=pytest.mark.soak)])
def test_no_answer_of_one_reader_reaches_the_other(tmp_path: Path, count: int) -> None:
    dice = random.Random(count)
    model = QuotingModel()
    with openai_server(model=model) as fake:
        api = Api(
            tmp_path,
            providers={"fake": {"base_url": fake.url, "api_key": "sk-secret", "max_retries": 0}},
            models={"fake/large": PRICES},
            cache={"answers": True},
        )
        harbour = Harbour(api, dice)
        given: dict[str, set[str]] = {"ann": set(), "bob": set()}
        asked: list[str] = []
        again = 0
        for number in range(count):
            asked.append(f"Question {number}: where is the berth of the {dice.choice(VESSELS)}?")
            question = asked[-1]
            for who, client in harbour.people.items():
                first, second = ask(client, question), ask(client, question)
                for body in (first, second):
                    said = {f"code{n}" for n in CODE.findall(str(body))}
                    assert said <= harbour.readable(who), (who, question)
                    given[who] |= said
                assert second["answer"] == first["answer"]
                assert first["cost"]["saved_usd"] == "0", "the other has asked this before, or will"
                again += second["cost"]["saved_usd"] != "0"
            if number % CHANGE_EVERY == CHANGE_EVERY - 1:
                harbour.change()
                for question in dice.sample(asked, min(len(asked), CHANGE_EVERY // 2)):
                    for who, client in harbour.people.items():
                        said = {f"code{n}" for n in CODE.findall(str(ask(client, question)))}
                        assert said <= harbour.readable(who), (who, question)
        assert again == 2 * count
        assert len(model.requests) == len(rows(api, CachedAnswer)) >= 2 * count
        assert given["ann"] != given["bob"]
        api.close()
