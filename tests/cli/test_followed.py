"""`moat sync NAME`: the sources of the server's moat.toml, run by its worker."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from cli.main import run
from tests.fakes.api import Api, problem
from tests.fakes.served import served
from workers.sources.run import follow_due


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def rooms(tmp_path: Path) -> Path:
    folder = tmp_path / "rooms"
    folder.mkdir()
    for number in range(10):
        (folder / f"{number}.txt").write_text(f"Room {number} has a window.\n")
    return folder


@pytest.fixture
def api(tmp_path: Path, rooms: Path) -> Iterator[Api]:
    folder = tmp_path / "server"
    folder.mkdir()
    made = Api(
        folder,
        sources={
            "rooms": {"folder": rooms, "access": ["staff"], "schedule": "every 6h"},
            "nobody": {"folder": rooms},
        },
    )
    yield made
    made.close()


@pytest.fixture
def moat(api: Api, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run a command; the worker runs what is due whenever somebody looks at a source."""
    worker = replace(api.worker, settings=api.settings)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"].startswith("/v1/sources/"):
            await to_thread.run_sync(follow_due, worker)
        await api.app(scope, receive, send)

    with served(app) as url:

        def command(*arguments: object) -> Result:
            code = run(["--server", url, "--key", api.admin_key, *map(str, arguments)])
            said = capsys.readouterr()
            return Result(code, said.out, said.err)

        yield command


def keys(api: Api) -> set[str]:
    return {d["key"] for d in api.admin.get("/v1/corpora/default/documents?limit=500").json()["items"]}


def test_a_source_is_run_and_listed_with_its_last_run_and_its_next(moat: Run, api: Api) -> None:
    new = json.loads(moat("sync", "--list", "--json").out)["items"]
    assert [(source["name"], source["state"]) for source in new] == [("rooms", "new"), ("nobody", "new")]
    result = moat("sync", "rooms")
    assert (result.code, "added 10" in result.out) == (0, True), result.err
    assert keys(api) == {f"rooms/{number}.txt" for number in range(10)}
    listed = moat("sync", "--list")
    assert listed.code == 0
    assert "rooms" in listed.out
    assert "done" in listed.out
    rooms = api.admin.get("/v1/sources/rooms").json()
    assert (rooms["documents"], rooms["kind"], rooms["counts"]["added"]) == (10, "folder", 10)
    assert rooms["next_at"] > rooms["last_finished_at"] >= rooms["last_started_at"]


def test_a_dry_run_shows_what_would_be_done(moat: Run, api: Api, rooms: Path) -> None:
    moat("sync", "rooms")
    (rooms / "0.txt").write_text("Room 0 has a door.\n")
    (rooms / "1.txt").unlink()
    (rooms / "new.txt").write_text("A new room.\n")
    result = moat("sync", "rooms", "--dry-run")
    assert result.code == 0
    told = set(result.out.splitlines())
    assert {"add rooms/new.txt", "replace rooms/0.txt", "delete rooms/1.txt"} <= told
    assert len(keys(api)) == 10


def test_deletions_over_a_fifth_wait_until_an_admin_agrees(moat: Run, api: Api, rooms: Path) -> None:
    moat("sync", "rooms")
    for number in range(4):
        (rooms / f"{number}.txt").unlink()
    held = moat("sync", "rooms")
    assert held.code == 1
    assert "--yes" in held.err
    assert len(keys(api)) == 10
    assert "4 deletions would wait" in moat("sync", "rooms", "--dry-run").out
    assert moat("sync", "rooms", "--yes").code == 0
    assert keys(api) == {f"rooms/{number}.txt" for number in range(4, 10)}
    problem(api.admin.post("/v1/sources/rooms/approve"), 409)


def test_a_source_that_states_no_readers_says_so(moat: Run, api: Api) -> None:
    result = moat("sync", "nobody")
    assert result.code == 1
    assert "who may read" in result.err
    assert api.admin.get("/v1/sources/nobody").json()["documents"] == 0


def test_an_unknown_source_and_options_that_are_none_of_a_source_s_are_refused(moat: Run, api: Api) -> None:
    assert moat("sync", "nowhere").code == 1
    assert "--access" in moat("sync", "rooms", "--access", "staff").err
    problem(api.admin.post("/v1/sources/nowhere/sync", json={}), 404)
    problem(api.admin.post("/v1/sources/rooms/sync", json={"reader": "os.system"}), 422)


def test_sources_are_for_admins_alone(moat: Run, api: Api) -> None:
    person = api.person("bo")
    problem(person.get("/v1/sources"), 403)
    problem(person.post("/v1/sources/rooms/sync", json={}), 403)
    problem(person.post("/v1/sources/rooms/approve"), 403)


def test_a_source_that_left_moat_toml_is_still_listed_with_its_documents(
    moat: Run, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    moat("sync", "rooms")
    without = api.settings.model_copy(update={"sources": {}})
    monkeypatch.setattr(api.app.state, "parts", replace(api.parts, settings=without))
    left = api.admin.get("/v1/sources").json()["items"]
    assert {(source["name"], source["configured"], source["documents"]) for source in left} == {
        ("rooms", False, 10),
        ("nobody", False, 0),
    }
    assert "not in moat.toml" in moat("sync", "--list").out
