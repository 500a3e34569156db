"""Canaries in every secret, a provider that repeats what it was sent, and then a search through all that Moat says."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from cli.doctor import doctor
from moat.telemetry import configure
from tests.fakes.api import Api, problem
from tests.fakes.served import served

CANARIES = ("canary-provider-key", "canary-qdrant-key", "canary-tls-word", "canary-source-token", "canary-nested-word")


async def echoing(scope, receive, send):  # type: ignore[no-untyped-def]
    """A provider that answers each call with an error that holds the key it was called with."""
    if scope["type"] != "http":
        return
    key = dict(scope["headers"])[b"authorization"]
    await send({"type": "http.response.start", "status": 400, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b'{"error": {"message": "you sent ' + key + b'"}}'})


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[dict[str, object]]:
    source = {"reader": "a.b.C", "arguments": {"api_token": CANARIES[3], "more": {"word": CANARIES[4]}}}
    with served(echoing) as url:
        yield {
            "qdrant": {"api_key": CANARIES[1]},
            "api": {"tls_key_password": CANARIES[2]},
            "providers": {"echo": {"base_url": f"{url}/v1", "api_key": CANARIES[0], "max_retries": 0}},
            "models": {"echo/m": {"input_usd_per_million": 1, "output_usd_per_million": 1}},
            "sources": {"wiki": source},
        }


def test_nothing_that_moat_says_or_stores_holds_a_secret(
    tmp_path: Path, settings: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    api = Api(tmp_path, broker={"url": "memory://"}, **settings)
    root, handlers, level = logging.getLogger(), logging.getLogger().handlers, logging.getLogger().level
    said = ""
    try:
        configure("api", "DEBUG", api.settings.secrets())
        api.add("lunch.txt", "Lunch is served at noon.\n")
        failed = problem(api.admin.post("/v1/answers", json={"question": "When is lunch served?"}), 502)
        said += str(failed)
        for path in api.client().get("/openapi.json").json()["paths"]:
            if "{" not in path and not path.startswith("/v1/answers"):
                said += api.admin.get(path).text
        for body in ({"question": "x" * 30_000}, {"question": 1}, {"queston": "x"}):
            said += api.admin.post("/v1/answers", json=body).text
        streamed = api.admin.post("/v1/answers", json={"question": "When is lunch served?", "stream": True})
        said += streamed.text
    finally:
        root.handlers = handlers
        root.setLevel(level)
    logged = capsys.readouterr()
    said += logged.err + logged.out
    api.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert "you sent Bearer ********" in said  # the provider's word came through, without the key
    for canary in (*CANARIES, api.admin_key):
        assert canary not in said
        assert canary.encode() not in stored


def test_doctor_lists_every_setting_without_its_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "moat.toml").write_text(
        f"""
        [qdrant]
        api_key = "{CANARIES[1]}"
        [api]
        tls_key_password = "{CANARIES[2]}"
        [providers.echo]
        api_key = "{CANARIES[0]}"
        [sources.wiki]
        reader = "a.b.C"
        arguments = {{ api_token = "{CANARIES[3]}", more = {{ word = "{CANARIES[4]}" }} }}
        """
    )
    monkeypatch.setenv("MOAT_DATABASE__URL", "postgresql://moat:canary-in-url@db/moat?password=canary-in-query")
    app = Typer()
    app.command()(doctor)
    for arguments in (["--settings"], ["--settings", "--json"]):
        result = CliRunner().invoke(app, ["--home", str(tmp_path), *arguments])
        assert result.exit_code == 0, result.output
        assert "********" in result.output
        assert "canary" not in result.output


def test_questions_and_answers_are_logged_only_when_asked_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for wanted in (False, True):
        folder = tmp_path / str(wanted)
        folder.mkdir()
        caplog.clear()
        api = Api(folder, log_questions=wanted)
        api.add("lunch.txt", "Lunch is served at noon.\n")
        with caplog.at_level(logging.DEBUG):
            for path in ("/v1/answers", "/v1/search"):
                assert api.admin.post(path, json={"question": "When is lunch served?"}).status_code == 200
        api.close()
        told = [str(record.__dict__) for record in caplog.records]
        assert any("When is lunch served?" in line for line in told) is wanted
        assert any("served at noon" in line for line in told) is wanted
