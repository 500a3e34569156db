"""A model that knows every answer and errs where it was told to, at tokens that are always the same."""

import re
import threading
from collections.abc import Collection, Mapping
from typing import Any

from answering.prompt import NOT_ANSWERED
from tests.fakes.openai_server import FakeOpenAI, Reply

USAGE: dict[str, Any] = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
_QUESTION = re.compile(r"<question-(?P<mark>\w+)>\n(?P<question>.*)\n</question-(?P=mark)>", re.DOTALL)
_GIVEN = re.compile(r"<given-(?P<mark>\w+)>\n(?P<given>.*)\n</given-(?P=mark)>", re.DOTALL)


class KnowingModel(FakeOpenAI):
    """Answers from `answers` by question, else that the sources do not; `errs_on` gets another answer.

    As a judge it finds every answer correct that holds one of `right`.
    """

    def __init__(self, answers: Mapping[str, str], errs_on: Collection[str] = (), right: Collection[str] = ()) -> None:
        super().__init__([Reply()])
        self.answers, self.errs_on, self.right = answers, errs_on, right
        self.asked: list[str] = []
        self.fails_on: set[str] = set()
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Begin anew, without what was asked before."""
        self.asked.clear()
        self.requests.clear()
        self.fails_on = set()

    def next_reply(self) -> Reply:
        with self._lock:
            said = self.requests[len(self.asked)]["messages"][-1]["content"]
            match = _QUESTION.search(said)
            assert match is not None
            question = match["question"]
            self.asked.append(question)
        given = _GIVEN.search(said)
        if given:
            correct = any(answer in given["given"] for answer in self.right)
            return Reply(pieces=("CORRECT" if correct else "WRONG",), usage=USAGE)
        if question in self.fails_on:
            return Reply(status=400)
        text = "It is surely nothing at all [1]." if question in self.errs_on else self.answers.get(question)
        return Reply(pieces=(text or NOT_ANSWERED,), usage=USAGE)
