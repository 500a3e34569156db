"""A model that writes down the first sentence of each source it was given, and cites it."""

import re

from tests.fakes.openai_server import FakeOpenAI, Reply

_SOURCE = re.compile(r'<source-(\w+) n="(\d+)"[^>]*>\n(.*?)\n</source-\1>', re.DOTALL)


class QuotingModel(FakeOpenAI):
    """Repeats what it reads, so that whatever reached it can be found in its answers."""

    def __init__(self) -> None:
        super().__init__([Reply()])

    def next_reply(self) -> Reply:
        read = self.requests[-1]["messages"][-1]["content"]
        return Reply(pieces=[f"{text.partition('.')[0]} [{n}]. " for _, n, text in _SOURCE.findall(read)])
