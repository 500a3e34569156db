"""What the doctor sees, and what it advises."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli import checks, live_checks
from cli.checks import Finding
from cli.doctor import doctor, examine, present_values
from cli.home import Home
from cli.up import load_settings
from moat.settings import Settings
from tests.fakes.issuer import issuing
from tests.fakes.platform import running_stores


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


def only(findings: Iterator[Finding], name: str) -> Finding:
    (found,) = (finding for finding in findings if finding.name == name)
    return found


def run(*arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(doctor)
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


def test_a_machine_before_the_first_start_is_fine(home):
    code, output = run("--home", str(home))
    assert code == 0, output
    assert "moat up" in output
    assert not list(home.iterdir())  # looking changes nothing


def test_a_key_that_others_can_read_is_to_be_mended(home):
    key = home / "admin.key"
    key.write_text("moat_x")
    key.chmod(0o644)
    code, output = run("--home", str(home), "--json")
    found = next(line for line in json.loads(output) if line["name"] == "Admin key")
    assert (code, found["level"]) == (1, "broken")
    assert f"chmod 600 {key}" in found["next_step"]
    key.chmod(0o600)
    assert run("--home", str(home))[0] == 0


def test_the_issuer_is_asked_for_its_keys(home, monkeypatch):
    assert only(live_checks.issuer(load_settings(home)), "Sign-in").level == "info"
    with issuing() as issuer:
        monkeypatch.setenv("MOAT_OIDC__ISSUER", issuer.url)
        monkeypatch.setenv("MOAT_OIDC__AUDIENCE", '["moat"]')
        found = only(live_checks.issuer(load_settings(home)), "Sign-in")
        assert (found.level, found.detail) == ("ok", f"{issuer.url}, 1 keys")
        issuer.keys = []
        assert only(live_checks.issuer(load_settings(home)), "Sign-in").level == "broken"
        monkeypatch.setenv("MOAT_OIDC__ISSUER", f"{issuer.url}/")
        found = only(live_checks.issuer(load_settings(home)), "Sign-in")
        assert found.level == "broken"
        assert "MOAT_OIDC__ISSUER" in found.next_step


def test_a_home_open_to_others_is_a_warning(home):
    home.chmod(0o755)
    assert only(checks.home_folder(load_settings(home)), "Home").level == "warning"
    assert run("--home", str(home))[0] == 0


def test_a_home_that_cannot_be_written_is_told(tmp_path):
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    found = only(checks.home_folder(load_settings(in_the_way / "home")), "Home")
    assert found.level == "broken"
    assert "MOAT_HOME" in found.next_step


def test_little_disk_space_is_told(home, monkeypatch):
    for free, level in ((10**12, "ok"), (10**9, "warning"), (10**7, "broken")):
        usage = type("Usage", (), {"free": free})
        monkeypatch.setattr("shutil.disk_usage", lambda folder, usage=usage: usage)
        assert only(checks.home_folder(load_settings(home)), "Disk").level == level


def test_vectors_of_another_engine_are_announced(home):
    (home / "qdrant").mkdir()
    (home / "qdrant" / "catalog.json").write_text('{"engine": "qdrant-edge-py 0.0.1"}')
    found = only(checks.vector_engine(load_settings(home)), "Vector engine")
    assert found.level == "warning"
    assert "qdrant-edge-py 0.0.1" in found.detail


def test_a_torchvision_that_breaks_the_embedder_is_found(home, tmp_path, monkeypatch):
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = only(checks.embedder(load_settings(home)), "torch")
    assert found.level == "broken"
    assert "torchvision::nms" in found.detail
    assert found.next_step == "pip uninstall torchvision"


def test_an_embedder_that_is_not_here_is_told(home, monkeypatch):
    monkeypatch.setenv("MOAT_EMBEDDER__DEFAULT", "no-such-model")
    assert only(checks.embedder(load_settings(home)), "Embedder").level == "broken"


MODELS = """
    [providers.acme]
    base_url = "https://acme.example/v1"
    {key}
    [models."acme/large"]
    {price}
"""
PRICE = "input_usd_per_million = 1\noutput_usd_per_million = 2"


@pytest.mark.parametrize(
    ("key", "price", "level", "says"),
    [
        ('api_key = "sk-x"', PRICE, "ok", "settings"),
        ("", PRICE, "broken", "has no key"),
        ('api_key = "sk-x"', "", "broken", "price"),
        ("free = true", "", "ok", "free"),
    ],
)
def test_models_need_a_key_and_a_price(home, key, price, level, says):
    text = textwrap.dedent(MODELS).format(key=key, price=price)
    (home / "moat.toml").write_text(text)
    found = only(checks.models(load_settings(home)), "Model acme/large")
    assert found.level == level
    assert says in found.detail


def test_a_default_model_that_nobody_configured_is_told(home, monkeypatch):
    monkeypatch.setenv("MOAT_ANSWERING__MODEL", "acme/small")
    assert only(checks.models(load_settings(home)), "Default model").level == "broken"


def test_wrong_settings_are_a_finding_with_the_right_name(home, monkeypatch):
    monkeypatch.setenv("MOAT_QDRNT__URL", "http://x")
    findings, fault = examine(home)
    assert [(finding.level, fault) for finding in findings] == [("broken", False)]
    assert "MOAT_QDRANT__URL" in findings[0].next_step


def test_a_check_that_crashes_is_a_fault_and_stops_no_other(home):
    def crash(settings: Settings) -> Iterator[Finding]:
        raise RuntimeError("a bug")
        yield

    findings, fault = examine(home, {"Crashing": crash, "Python": checks.python_version})
    assert fault
    assert [finding.name for finding in findings] == ["Crashing", "Python"]


def test_an_old_schema_is_to_be_migrated(home):
    with running_stores(home) as running:
        assert only(live_checks.catalog(running.settings), "Catalog").level == "ok"
    with sqlite3.connect(home / "catalog.db") as catalog:
        catalog.execute("UPDATE alembic_version SET version_num = '0000'")
    catalog.close()
    found = only(live_checks.catalog(load_settings(home)), "Catalog")
    assert found.level == "broken"
    assert "moat migrate" in found.next_step


def test_running_stores_are_reached_and_missing_processes_told(home):
    with running_stores(home):
        settings = load_settings(home)
        assert only(live_checks.broker(settings), "Broker").level == "ok"
        assert only(live_checks.vectors(settings), "Vectors").level == "ok"
        for check, name in ((live_checks.api, "API"), (live_checks.worker, "Worker")):
            found = only(check(settings), name)
            assert found.level == "broken"
            assert str(Home(home).log(name.lower())) in found.next_step


def test_a_broker_elsewhere_that_is_down_is_told(home, monkeypatch):
    monkeypatch.setenv("MOAT_BROKER__URL", "redis://127.0.0.1:1/0")
    found = only(live_checks.broker(load_settings(home)), "Broker")
    assert found.level == "broken"
    assert "MOAT_BROKER__URL" in found.next_step


def test_settings_are_listed_with_secrets_masked(home, monkeypatch):
    monkeypatch.setenv("MOAT_PROVIDERS__ACME__API_KEY", "sk-secret-1")
    monkeypatch.setenv("MOAT_QDRANT__API_KEY", "secret-2")
    monkeypatch.setenv("MOAT_DATABASE__URL", "postgresql://moat:secret-3@db/moat")
    monkeypatch.setenv("MOAT_BROKER__URL", "redis://:secret-4@broker:6379/0")
    monkeypatch.setenv("MOAT_KEY", "secret-5")
    code, output = run("--home", str(home), "--settings", "--json")
    listed = json.loads(output)
    assert code == 0
    assert "secret" not in "".join(line["value"] for line in listed.values())
    assert listed["MOAT_PROVIDERS__ACME__API_KEY"]["value"] == "********"
    assert listed["MOAT_DATABASE__URL"]["value"] == "postgresql://moat:***@db/moat"
    assert listed["MOAT_WORKER__CONCURRENCY"]["value"] == "2"
    assert listed["MOAT_WORKER__CONCURRENCY"]["description"] == "Documents in work at once in one worker."
    assert "MOAT_KEY" in listed
    assert set(present_values(load_settings(home))) <= set(listed)


def test_a_process_that_is_gone_is_not_alive():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert live_checks._alive(process.pid)
        os.kill(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while live_checks._alive(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert not live_checks._alive(None)
