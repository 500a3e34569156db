"""`moat doctor --models` asks each model for one token, through the ledger, and says what it is like."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.main import run
from cli.model_checks import models
from moat.database import Database
from moat.settings import Settings
from moat.tables import CallRow
from tests.fakes.dialects import Cohere, Reply
from tests.fakes.model_server import ModelServer, model_server

MOAT_TOML = """
    [providers.acme]
    kind = "cohere"
    base_url = "{url}"
    api_key = "sk-test"
    max_retries = 0
    [models."acme/writer"]
    context_window = 32000
    fallback = ["acme/ranker"]
    input_usd_per_million = "1"
    output_usd_per_million = "2"
    prices_as_of = 2026-11-01
    [models."acme/embedder"]
    kind = "embedding"
    input_usd_per_million = "0.1"
    [models."acme/ranker"]
    kind = "rerank"
    usd_per_thousand_searches = "2"
"""


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server(Cohere()) as made:
        yield made


@pytest.fixture
def home(tmp_path: Path, server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOAT_HOME", str(tmp_path))
    (tmp_path / "moat.toml").write_text("\n".join(map(str.strip, MOAT_TOML.format(url=server.url).splitlines())))
    database = Database.from_settings(Settings.load())
    database.migrate()
    database.close()
    return tmp_path


def test_each_model_is_tried_with_one_token_and_booked(home: Path, server: ModelServer) -> None:
    found = list(models(Settings.load()))
    assert [finding.level for finding in found] == ["ok"] * 3
    writer, embedder, ranker = (finding.detail for finding in found)
    assert "$1 a million tokens read and $2 a million written by settings, as of 2026-11-01" in writer
    assert "reads 32000 tokens" in writer
    assert " ms; " in writer
    assert "$0.1 a million tokens read" in embedder
    assert "$2 a thousand searches" in ranker
    assert server.requests[0]["max_tokens"] == 1
    database = Database.from_settings(Settings.load())
    with database.reading() as session:
        rows = list(session.query(CallRow))
    database.close()
    assert {(row.kind, row.user, row.status) for row in rows} == {("probe", "doctor", "ok")}
    assert len(rows) == 3


def test_a_model_that_fails_is_broken_and_its_fallback_is_not_asked(home: Path, server: ModelServer) -> None:
    server.replies.appendleft(Reply(status=401))
    found = list(models(Settings.load()))
    assert [finding.level for finding in found] == ["broken", "ok", "ok"]
    assert "refused the key" in found[0].detail
    assert found[0].next_step


def test_the_command_says_it_and_its_exit_code_tells(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--models", "--home", str(home)]) == 0
    assert "Model acme/writer" in capsys.readouterr().out


def test_without_models_there_is_nothing_to_ask(tmp_path: Path) -> None:
    (only,) = models(Settings(home=tmp_path))
    assert only.level == "info"
