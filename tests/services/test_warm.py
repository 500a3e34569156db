"""What the API loads beside its start."""

import gc
import logging
from pathlib import Path

import pytest

from moat.errors import Unavailable
from moat.llm import plan
from services.warm import rest, warm
from tests.fakes.api import Api

MODELS = {"fake/large": {"input_usd_per_million": 1, "output_usd_per_million": 1}}


def installed(folder: Path) -> Api:
    provider = {"base_url": "http://127.0.0.1:9/v1", "api_key": "sk-x", "kind": "anthropic"}
    return Api(folder, providers={"fake": provider}, models=MODELS)


def test_client_libraries_of_configured_models_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(plan, "wire_of", loaded.append)
    api = installed(tmp_path)
    warm(api.parts)
    assert loaded == ["anthropic"]
    api.close()


def test_what_cannot_be_loaded_is_left_for_whoever_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(name: str) -> None:
        raise Unavailable(f"{name} is not installed.")

    api = installed(tmp_path)
    monkeypatch.setattr(plan, "wire_of", missing)
    monkeypatch.setattr(api.parts.answering.embedders, "get", missing)
    with caplog.at_level(logging.WARNING, "services.warm"):
        warm(api.parts)
    assert "could not be loaded" in caplog.text
    api.close()


def test_what_is_loaded_is_left_out_of_collections() -> None:
    before = gc.get_threshold()
    try:
        rest()
        assert gc.get_freeze_count() > 100_000
        assert gc.get_threshold() > before
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
