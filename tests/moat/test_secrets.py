"""Secrets come from where the operator keeps them, and go nowhere else."""

import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from moat.errors import InvalidRequest
from moat.settings import Settings
from moat.telemetry import MASK, JsonLines, configure


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOAT_HOME", str(tmp_path))
    return tmp_path


def loaded(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings.load()


def test_a_secret_is_read_from_a_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "qdrant").write_text("canary-one\n")
    (home / "catalog").write_text("postgresql://moat:canary-two@db/moat\n")
    found = loaded(
        monkeypatch,
        MOAT_QDRANT__API_KEY_FILE=str(home / "qdrant"),
        MOAT_DATABASE__URL_FILE=str(home / "catalog"),
        MOAT_PROVIDERS__OPENAI__API_KEY_FILE=str(home / "qdrant"),
    )
    assert found.qdrant.api_key.get_secret_value() == "canary-one"
    assert found.database_url == "postgresql://moat:canary-two@db/moat"
    assert found.providers["openai"].api_key.get_secret_value() == "canary-one"


def test_a_secret_is_asked_of_a_command(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "moat.toml").write_text(
        f'[providers.openai]\napi_key_command = ["{sys.executable}", "-c", "print(\'canary three\')"]\n'
    )
    assert Settings.load().providers["openai"].api_key.get_secret_value() == "canary three"
    found = loaded(monkeypatch, MOAT_QDRANT__API_KEY_COMMAND=f"{sys.executable} -c 'print(1 + 1)'")
    assert found.qdrant.api_key.get_secret_value() == "2"


@pytest.mark.parametrize(
    ("name", "value", "fact"),
    [
        ("MOAT_QDRANT__API_KEY_FILE", "/nowhere/key", "qdrant.api_key_file cannot be read"),
        ("MOAT_QDRANT__API_KEY_COMMAND", "/nowhere/program", "qdrant.api_key_command cannot be run"),
        ("MOAT_QDRANT__API_KEY_COMMAND", "sh -c 'echo half-canary; exit 3'", "ended with code 3"),
        ("MOAT_QDRANT__API_KEY_COMMAND", "true", "printed nothing"),
        ("MOAT_QDRANT__API_KEY_COMMAND", "'", "cannot be run"),
        ("MOAT_QDRANT__API_KEY_FIEL", "x", "MOAT_QDRANT__API_KEY_FIEL is not a setting"),
        ("MOAT_QDRANT__URL_FILE", "x", "MOAT_QDRANT__URL_FILE is not a setting"),
        ("MOAT_PROVIDERS__OPENAI__BASE_URL_FILE", "x", "there is no such setting"),
    ],
)
def test_what_cannot_be_had_is_named_without_what_it_printed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, fact: str
) -> None:
    with pytest.raises(InvalidRequest, match=fact) as refused:
        loaded(monkeypatch, **{name: value})
    assert refused.value.hint
    assert "half-canary" not in refused.value.detail + refused.value.hint


def test_a_secret_given_twice_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "key").write_text("canary")
    with pytest.raises(InvalidRequest, match="more than once"):
        loaded(monkeypatch, MOAT_QDRANT__API_KEY="a", MOAT_QDRANT__API_KEY_FILE=str(home / "key"))


def every_secret() -> dict[str, Any]:
    """Settings with a canary in every place that holds a secret, but for what is no secret of Moat's own."""
    return {
        "database": {"url": "postgresql://moat:canary-db%21@db/moat?password=canary-query"},
        "broker": {"url": "redis://:canary-broker@valkey/0"},
        "qdrant": {"api_key": "canary-qdrant"},
        "api": {"tls_key_password": "canary-tls"},
        "providers": {"openai": {"api_key": 'canary-"provider"'}},
        "sources": {
            "wiki": {"reader": "a.b.C", "arguments": {"api_token": "canary-source", "deep": {"key": "canary-deep"}}}
        },
    }


def test_every_secret_of_the_settings_is_known(home: Path) -> None:
    assert Settings(home=home, **every_secret()).secrets() == {
        *("canary-db%21", "canary-db!", "canary-query", "canary-broker", "canary-qdrant", "canary-tls"),
        *('canary-"provider"', "canary-source", "canary-deep"),
    }


def test_no_line_of_a_log_holds_a_secret(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secrets = Settings(home=home, **every_secret()).secrets()
    root, before = logging.getLogger(), logging.getLogger().handlers
    try:
        configure("test", "INFO", secrets)
        log = logging.getLogger("services.test")
        for secret in [*secrets, "moat_" + "k" * 43, "mws_" + "t" * 43]:
            log.warning("seen: %s", secret, extra={"field": {"inner": secret}})
            log.warning("Authorization: Bearer %s", "other-" + secret)
            try:
                raise RuntimeError(secret)
            except RuntimeError:
                log.exception("failed")
    finally:
        root.handlers = before
    said = capsys.readouterr().err
    assert said.count(MASK) >= 4 * len(secrets)
    for line in said.splitlines():
        assert json.loads(line)["process"] == "test"
    for secret in ("canary", "kkkk", "tttt"):
        assert secret not in said


def test_masking_leaves_other_lines_as_they_are() -> None:
    record = logging.LogRecord("services", logging.INFO, "", 0, "moat_short stays, so does %s", ("mws_x",), None)
    assert json.loads(JsonLines("api").format(record))["message"] == "moat_short stays, so does mws_x"
