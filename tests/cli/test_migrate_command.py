"""`moat migrate`: safe to run again, and careful with the only key."""

import json
from pathlib import Path

import pytest

from cli.home import Home, mode_of
from cli.main import run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("MOAT_HOME", str(tmp_path / "home"))
    return Home(tmp_path / "home")


def test_a_catalog_elsewhere_gets_its_schema_and_its_first_key_once(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MOAT_DATABASE__URL", f"sqlite:///{tmp_path / 'catalog.db'}")
    assert run(["migrate", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["first_key"].startswith("moat_")
    assert run(["migrate", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["first_key"] is None


def test_the_first_key_can_go_to_a_file_instead(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MOAT_DATABASE__URL", f"sqlite:///{tmp_path / 'catalog.db'}")
    file = tmp_path / "first.key"
    assert run(["migrate", "--key-file", str(file)]) == 0
    assert file.read_text().strip() not in capsys.readouterr().out
    assert mode_of(file) == 0o600


def test_the_embedded_home_keeps_its_key_where_it_belongs(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["migrate"]) == 0
    assert home.key_file.read_text().startswith("moat_")
    assert "moat_" not in capsys.readouterr().out


def test_a_running_home_is_left_alone(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    home.prepare()
    with home.owned():
        assert run(["migrate"]) == 1
    assert "already" in capsys.readouterr().err
