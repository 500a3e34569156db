"""Readers leave after any byte of an answer: each call is in the ledger, exact where its bill came, else flagged."""

import json
import random
import socket
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from moat.tables import AnswerRow, CallRow
from tests.fakes.api import Api
from tests.fakes.models import COST, PIECES, rows, with_model
from tests.fakes.openai_server import FakeOpenAI, Reply, openai_server
from tests.fakes.paid_world import number_of, question
from tests.fakes.served import served

IDLE_S = 1.0
_END = b"\r\n0\r\n\r\n"  # of a chunked body


class Moody(FakeOpenAI):
    """Some answers stop in the middle and go on too late for any bill."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__([Reply(PIECES)])
        self._chance = chance
        self.is_moody = False
        self.slow: set[int] = set()

    def next_reply(self) -> Reply:
        if not self.is_moody or self._chance.random() < 0.6:
            return Reply(PIECES)
        self.slow.add(number_of(self.requests[-1]["messages"][-1]["content"]))
        return Reply(PIECES, pause_before=1)


def leave_after(url: str, headers: dict[str, str], number: int, size: int, idle_s: float = IDLE_S) -> int:
    """Ask, read that many bytes or what comes until nothing more does, and hang up; gives how many were read."""
    place = urlsplit(url)
    body = json.dumps({**question(number), "stream": True}).encode()
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"POST /v1/answers HTTP/1.1\r\nHost: {place.netloc}\r\n{head}Content-Length: {len(body)}\r\n"
    read = b""
    with socket.create_connection((place.hostname, place.port)) as connection:  # type: ignore[arg-type]
        connection.settimeout(idle_s)
        connection.sendall(f"{request}Content-Type: application/json\r\n\r\n".encode() + body)
        try:
            while len(read) < size and not read.endswith(_END):
                read += connection.recv(size - len(read))
        except TimeoutError:
            pass
    return len(read)


@pytest.mark.parametrize("count", [8, pytest.param(100, marks=pytest.mark.soak)])
def test_every_call_is_in_the_ledger(tmp_path: Path, count: int) -> None:
    chance = random.Random(count)
    with openai_server(model=Moody(chance)) as fake:
        assert isinstance(fake, Moody)
        api = with_model(tmp_path, fake, drain_s=1)
        headers = {"Authorization": f"Bearer {api.admin_key}"}
        with served(api.app) as url:
            whole = leave_after(url, headers, 0, 1_000_000, idle_s=60)  # the first one loads the libraries
            assert len(rows(api, CallRow)) == 1
            fake.is_moody = True
            for number in range(1, count + 1):
                leave_after(url, headers, number, chance.randint(0, whole))
            settled(api, count)
        with api.database.reading() as session:
            asked = select(AnswerRow.question, CallRow).join(CallRow, CallRow.answer_id == AnswerRow.id)
            calls = {number_of(text): call for text, call in session.execute(asked)}
        lines = Counter(number_of(request["messages"][-1]["content"]) for request in fake.requests)
        flagged = [call for call in calls.values() if call.status == "presumed"]
        print(f"{len(lines)} calls, {len(calls)} rows, {len(flagged)} flagged at their ceiling")
        assert len(rows(api, CallRow)) == len(calls)
        assert (set(lines), max(lines.values())) == (set(calls), 1)
        for number, call in calls.items():
            if number in fake.slow:
                assert (call.status, call.usage, call.cost_usd) == ("presumed", "estimated", call.ceiling_usd)
            else:
                assert (call.status, call.usage, call.cost_usd) == ("ok", "reported", COST)
        assert flagged, "else no bill was waited for in vain"
        api.close()


def settled(api: Api, count: int) -> None:
    """Wait until every answer that was begun has ended."""
    deadline = time.monotonic() + 60
    while any(row.status == "open" for row in rows(api, AnswerRow)):
        assert time.monotonic() < deadline, f"{count} answers did not end"
        time.sleep(0.05)
