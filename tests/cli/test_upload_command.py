"""`moat upload` against the real API."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.address import Address
from cli.client import Client, CliError
from cli.files import LocalFile
from cli.following import follow
from cli.main import run
from cli.sending import Sent, send
from tests.fakes.api import Api
from tests.fakes.served import served


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "handbook"
    made.mkdir()
    (made / "leave.md").write_text("# Leave\n\nEveryone has thirty days of leave.\n")
    (made / "pay.txt").write_text("Salaries are paid on the twentieth.\n")
    return made


def test_a_folder_is_uploaded_and_followed_until_it_is_ready(moat: Any, folder: Path) -> None:
    result = moat("upload", folder, "--json")
    assert result.code == 0, result.err
    told = json.loads(result.out)
    assert {(item["key"], item["state"]) for item in told["items"]} == {("leave.md", "ready"), ("pay.txt", "ready")}
    assert told["summary"]["states"] == {"ready": 2}
    assert told["summary"]["chunks"] == sum(item["chunks"] for item in told["items"]) >= 2


def test_uploading_again_finds_the_duplicates(moat: Any, folder: Path) -> None:
    first = json.loads(moat("upload", folder, "--json").out)
    again = json.loads(moat("upload", folder, "--json").out)
    assert again["summary"]["duplicates"] == 2
    assert [item["id"] for item in again["items"]] == [item["id"] for item in first["items"]]
    assert "2 were there already" in moat("upload", folder).out


def test_a_refused_file_is_named_with_its_reason_and_the_others_go_on(moat: Any, folder: Path) -> None:
    (folder / "tool.exe").write_bytes(b"MZ\x90\x00" + bytes(100))
    result = moat("upload", folder)
    assert result.code == 1
    assert "tool.exe" in result.out
    assert "refused" in result.out
    assert "3 files: 2 ready, 1 refused" in result.out


def test_when_every_file_of_a_call_is_refused_each_has_its_own_reason(moat: Any, folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    (folder / "a.exe").write_bytes(b"MZ\x90\x00" + bytes(100))
    result = moat("upload", folder, "--json")
    assert result.code == 1
    (item,) = json.loads(result.out)["items"]
    assert item["state"] == "refused"
    assert item["error"]


def test_a_document_that_fails_is_told_with_what_to_do(moat: Any, folder: Path) -> None:
    (folder / "empty.md").write_text("   \n")
    result = moat("upload", folder, "--json")
    assert result.code == 1
    failed = [item for item in json.loads(result.out)["items"] if item["state"] != "ready"]
    assert [item["key"] for item in failed] == ["empty.md"]
    assert failed[0]["error"]
    assert failed[0]["hint"]


def test_three_hundred_files_arrive_in_one_command(api: Any, moat: Any, tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for number in range(300):
        (many / f"{number}.txt").write_text(f"The answer to question {number} is {number * 7}.")
    result = moat("upload", many, "--no-wait", "--json")
    assert result.code == 0, result.err
    assert len({item["id"] for item in json.loads(result.out)["items"]}) == 300
    assert api.admin.get("/v1/corpora/default").json()["documents"] == 300


def test_access_and_metadata_reach_every_document(api: Any, moat: Any, folder: Path) -> None:
    done = moat("upload", folder, "--access", "hr", "--access", "board", "--metadata", '{"year": 2026}', "--no-wait")
    assert done.code == 0, done.err
    for document in api.admin.get("/v1/corpora/default/documents").json()["items"]:
        assert document["access"] == ["board", "hr"]
        assert document["metadata"] == {"year": 2026}


@pytest.mark.parametrize("metadata", ["{", "[1]"])
def test_metadata_that_is_no_object_is_refused_before_anything_is_sent(
    metadata: str, api: Any, moat: Any, folder: Path
) -> None:
    result = moat("upload", folder, "--metadata", metadata)
    assert result.code == 1
    assert "--metadata" in result.err
    assert api.admin.get("/v1/corpora/default").json()["documents"] == 0


def test_a_file_that_vanishes_is_told_and_the_others_are_sent(api: Any, url: str, folder: Path) -> None:
    files = [LocalFile(folder / name, name, 10) for name in ("gone.txt", "pay.txt")]
    gone, kept = send(_client(url, api.admin_key), "default", files)
    assert (gone.id, gone.state) == ("", "refused")
    assert "cannot be read" in gone.error
    assert kept.id


def test_following_outlives_a_server_that_restarts(folder: Path) -> None:
    class Restarting:
        looks = 0

        def get(self, path: str, params: object = None) -> dict[str, Any]:
            self.looks += 1
            if self.looks < 3:
                raise CliError(503, "Away", "It restarts.")
            return {"items": [{"id": "d", "state": "ready", "error": None, "hint": None}], "next_cursor": None}

    item = Sent(LocalFile(folder, "x", 1), id="d", state="queued")
    follow(Restarting(), "default", [item], sleep=lambda seconds: None)  # type: ignore[arg-type]
    assert item.state == "ready"


def test_following_gives_up_on_a_server_that_stays_away(folder: Path) -> None:
    class Away:
        def get(self, path: str, params: object = None) -> dict[str, Any]:
            raise CliError(503, "Away", "It is gone.")

    now = iter(range(0, 1000, 25))
    item = Sent(LocalFile(folder, "x", 1), id="d", state="queued")
    with pytest.raises(CliError, match="It is gone"):
        follow(Away(), "default", [item], sleep=lambda s: None, clock=lambda: float(next(now)))  # type: ignore[arg-type]


def test_a_document_deleted_meanwhile_ends_the_waiting(api: Any, url: str, folder: Path) -> None:
    client = _client(url, api.admin_key)
    sent = send(client, "default", [LocalFile(folder / "pay.txt", "pay.txt", 10)])
    client.delete(f"/v1/documents/{sent[0].id}")
    follow(client, "default", sent, sleep=lambda seconds: None)
    assert sent[0].state == "deleted"
    assert sent[0].has_failed


def _client(url: str, key: str) -> Client:
    return Client(lambda: Address(url, key))


@pytest.mark.parametrize("size", [10, 20_000_000])
def test_a_server_with_too_much_work_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """The answer comes before the files are read, so a large upload is cut off in its middle."""
    server = tmp_path / "server"
    server.mkdir()
    api = Api(server, upload={"max_backlog": 1})
    for number in range(2):
        api.upload(f"{number}.txt", f"Room {number} has a window.\n")
    path = tmp_path / "new.txt"
    path.write_text("Everyone has thirty days of leave.\n" + "x" * 60 + "\n" * (size - 96 if size > 96 else 0))
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            api.work()

    monkeypatch.setattr("cli.sending.time.sleep", sleep)
    with served(api.app) as url:
        client = Client(lambda: Address(url, api.admin_key))
        (sent,) = send(client, "default", [LocalFile(path, "new.txt", path.stat().st_size)])
    assert (sent.state, waits) == ("queued", [30.0, 30.0])
    api.close()


def test_upload_says_how_long_it_waits(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = tmp_path / "server"
    server.mkdir()
    api = Api(server, upload={"max_backlog": 1})
    for number in range(2):
        api.upload(f"{number}.txt", f"Room {number} has a window.\n")
    monkeypatch.setattr("cli.sending.time.sleep", lambda seconds: api.work())
    with served(api.app) as url:
        assert run(["--server", url, "--key", api.admin_key, "upload", str(folder), "--no-wait"]) == 0
    assert "trying again in 30 s" in capsys.readouterr().err
    api.close()
