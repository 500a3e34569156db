"""The stores that the embedded platform runs: private, refilled when lost, one set a home."""

import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli import up
from cli.embedded import connected, is_live, rebuild_vectors
from cli.home import Home, mode_of
from cli.ports import free_port, require_free
from cli.up import Platform, load_settings, platform
from moat.bootstrap import bootstrap
from moat.database import Database
from moat.errors import Conflict, InvalidRequest
from moat.jobs import INGEST, Publisher, celery_app
from moat.vectors import Vectors
from tests.fakes.platform import running_stores


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def stores(home: Path) -> Iterator[Platform]:
    with running_stores(home) as running:
        yield running


def eventually(what: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def say(path: Path, words: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(path))
        connection.sendall(words)
        return connection.recv(1000)


def waiting(running: Platform) -> int:
    database = Database.from_settings(running.settings)
    return Publisher(database, celery_app(running.settings)).waiting(INGEST)


def test_the_stores_serve_with_the_homes_secrets_and_refuse_without(stores, home):
    assert waiting(stores) == 0
    Vectors.from_settings(stores.settings).check()
    assert say(home / "run" / "valkey.sock", b"KEYS *\r\n").startswith(b"-NOAUTH")
    wrong = stores.settings.qdrant.model_copy(update={"api_key": type(stores.settings.qdrant.api_key)("wrong")})
    with pytest.raises(Exception, match=r"(?i)unauthenticated|valid api-key|does not answer"):
        Vectors.from_settings(stores.settings.model_copy(update={"qdrant": wrong})).check()


def test_what_is_secret_in_a_home_is_for_its_owner_alone(stores, home):
    assert mode_of(home) == 0o700
    for name in ("run", "secrets", "logs"):
        assert mode_of(home / name) == 0o700
    for name in ("admin.key", "secrets/valkey", "secrets/qdrant", "run/valkey.conf", "run/state.json"):
        assert mode_of(home / name) == 0o600, name
    assert stores.admin_key == stores.first_key


def test_a_second_start_makes_no_second_key(home):
    with running_stores(home) as first:
        key = first.first_key
    with running_stores(home) as second:
        assert second.first_key is None
        assert second.admin_key == key


def test_a_home_in_use_is_refused_with_the_process_and_the_address(stores, home):
    with pytest.raises(Conflict) as refused, platform(load_settings(home, 0)):
        pass
    assert f"process {os.getpid()} at {stores.url}" in refused.value.detail
    assert Home(home).running() is not None


def test_the_state_names_the_processes_and_goes_with_them(home):
    with running_stores(home) as running:
        state = Home(home).running()
        assert state is not None
        assert state.processes == running.supervisor.pids()
        old = state.processes["valkey"]
        os.kill(old, signal.SIGKILL)
        eventually(lambda: json.loads((home / "run/state.json").read_text())["processes"].get("valkey", old) != old)
    assert Home(home).running() is None
    assert not (home / "run/state.json").exists()


def test_a_taken_port_is_refused_with_the_way_out(home):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Conflict) as refused, platform(load_settings(home, port)):
            pass
        assert f"(process {os.getpid()})" in refused.value.detail
        assert "--port 0" in refused.value.hint
    require_free("127.0.0.1", free_port())


def test_a_home_that_cannot_be_made_is_refused_with_the_way_out(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(Conflict, match="cannot be made") as refused,
        platform(load_settings(tmp_path / "file" / "h", 0)),
    ):
        pass
    assert "--home" in refused.value.hint


def test_a_home_with_a_long_path_uses_a_port_for_the_broker(tmp_path):
    deep = tmp_path / ("d" * 100)
    with running_stores(deep) as running:
        assert running.settings.broker.url.startswith("redis://:")
        assert waiting(running) == 0
        port = Home(deep).running().broker_port
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"KEYS *\r\n")
            assert connection.recv(100).startswith(b"-NOAUTH")


def test_a_home_with_a_blank_in_its_path_works(tmp_path):
    with running_stores(tmp_path / "my home") as running:
        assert waiting(running) == 0
        Vectors.from_settings(running.settings).check()


@pytest.fixture
def rebuilt(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes each rebuild instead of the workers' own, which has tests of its own."""
    notes: list[str] = []
    for module in ("cli.up", "cli.embedded"):
        monkeypatch.setattr(f"{module}.rebuild_vectors", lambda settings: notes.append(settings.database_url))
    return notes


def test_vectors_of_another_engine_are_dropped_and_rebuilt(home, rebuilt):
    with running_stores(home) as running:
        Vectors.from_settings(running.settings).create("moat_one", 3)
    assert rebuilt == []
    catalog = home / "qdrant" / "catalog.json"
    stored = json.loads(catalog.read_text())
    catalog.write_text(json.dumps({**stored, "engine": "qdrant-edge-py 0.0.1"}))
    with running_stores(home) as running:
        assert Vectors.from_settings(running.settings).collections() == []
    assert len(rebuilt) == 1
    with running_stores(home):
        assert len(rebuilt) == 1


def test_a_lost_folder_of_vectors_is_noticed_at_the_start(home, rebuilt):
    with running_stores(home):
        pass
    shutil.rmtree(home / "qdrant")
    with running_stores(home):
        assert len(rebuilt) == 1


def test_rebuilding_an_empty_catalog_is_harmless(home):
    settings = load_settings(home)
    home.mkdir()
    database = Database.from_settings(settings)
    bootstrap(database, settings, lambda pipeline: "fingerprint")
    database.close()
    rebuild_vectors(settings)


def test_parts_that_are_set_elsewhere_are_not_started(home, monkeypatch):
    monkeypatch.setenv("MOAT_BROKER__URL", "redis://broker.example:6379/0")
    monkeypatch.setenv("MOAT_QDRANT__URL", "http://qdrant.example:6333")
    settings = load_settings(home)
    assert connected(settings, 1, 2) == settings
    names = [spec.name for spec in up.embedded_platform(settings, up._new_state(load_settings(home, 0)))]
    assert names == ["worker", "api"]


def test_the_homes_own_file_of_settings_is_read(home):
    home.mkdir()
    (home / "moat.toml").write_text("[worker]\nconcurrency = 7\n")
    assert load_settings(home).worker.concurrency == 7
    (home / "moat.toml").write_text("[worker]\nconcurency = 7\n")
    with pytest.raises(InvalidRequest, match="concurency"):
        load_settings(home)


def test_nothing_listening_is_not_live():
    assert not is_live("127.0.0.1", free_port())
