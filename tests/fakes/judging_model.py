"""A server with two models: one that writes what it was told to, one that judges sentences by a list of false ones."""

import re
import time
from collections.abc import Collection, Sequence

from tests.fakes.openai_server import FakeOpenAI, Reply

_SENTENCE = re.compile(r"<sentence-(?P<mark>\w+)>\n(?P<sentence>.*)\n</sentence-(?P=mark)>", re.DOTALL)


class JudgingModel(FakeOpenAI):
    """As a judge it finds `false` sentences unsupported; `verdict` is said instead of any, `status` fails it, and
    `takes_s` is how long it thinks.
    """

    def __init__(self, pieces: Sequence[str], false: Collection[str] = ()) -> None:
        super().__init__([Reply(tuple(pieces))])
        self.false = false
        self.verdict = ""
        self.status = 200
        self.takes_s = 0.0
        self.judged: list[str] = []

    def next_reply(self) -> Reply:
        found = _SENTENCE.search(self.requests[-1]["messages"][-1]["content"])
        if found is None:
            return super().next_reply()
        self.judged.append(found["sentence"])
        time.sleep(self.takes_s)
        held = not any(sentence in found["sentence"] for sentence in self.false)
        return Reply((self.verdict or ("SUPPORTED" if held else "UNSUPPORTED"),), status=self.status)
