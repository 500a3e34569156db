"""The command as a whole: exit codes, what it prints where, and which server it talks to."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from cli.address import Address, find_address
from cli.client import Client, CliError
from cli.home import Home, RunningState
from cli.main import _COMMANDS, build, run
from moat.errors import InvalidRequest, MoatError, Unavailable
from moat.settings import Settings

NOWHERE = "http://127.0.0.1:9"


def answering(*responses: httpx.Response, key: str = "k") -> Client:
    left = iter(responses)
    return Client(lambda: Address("http://moat.test", key), httpx.MockTransport(lambda request: next(left)))


def run_with(response: httpx.Response, arguments: Sequence[str] = ("costs",)) -> int:
    return run(arguments, lambda server, key: answering(response))


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("moat ")


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    app = build([name], lambda server, key: answering())
    result = CliRunner().invoke(app, [name, "--help"], terminal_width=120)
    assert result.exit_code == 0
    # These have no result that a script could read, or commands of their own that have.
    assert "--json" in result.output or name in ("up", "budget", "key", "corpus", "widget", "user")


@pytest.mark.parametrize("arguments", [["nothing"], ["ask"], ["search", "x", "--limit", "0"], ["upload", "--bogus"]])
def test_wrong_arguments_are_the_callers_mistake(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "Error" in said.err


def test_a_problem_is_told_with_its_hint(capsys: pytest.CaptureFixture[str]) -> None:
    problem = {"title": "Not found", "detail": "There is no corpus 'x'.", "hint": "List them.", "status": 404}
    assert run_with(httpx.Response(404, json=problem)) == 1
    said = capsys.readouterr()
    assert said.out == ""
    for text in ("Not found", "There is no corpus 'x'.", "→ List them."):
        assert text in said.err


@pytest.mark.parametrize(("status", "code"), [(400, 1), (401, 1), (429, 1), (500, 2), (503, 2), (302, 1)])
def test_the_exit_code_tells_a_mistake_from_a_fault(status: int, code: int) -> None:
    assert run_with(httpx.Response(status, text="no JSON")) == code


def test_a_server_that_is_away_is_a_fault_that_says_how_to_start_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--server", NOWHERE, "--key", "k", "status"]) == 2
    said = capsys.readouterr().err
    assert "moat up" in said
    assert "MOAT_SERVER" in said
    assert "Traceback" not in said


def test_something_that_is_not_moat_is_recognised(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_with(httpx.Response(200, text="<html>")) == 1
    assert "not a Moat server" in capsys.readouterr().err


def test_a_missing_key_is_named_as_the_reason() -> None:
    with pytest.raises(CliError) as caught:
        answering(httpx.Response(401, json={"title": "A valid key is needed"}), key="").get("/v1/corpora")
    assert "--key" in caught.value.hint


def test_a_fault_of_the_command_itself_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(server: str | None, key: str | None) -> Client:
        raise ZeroDivisionError

    assert run(["costs"], broken) == 2
    assert "please report it" in capsys.readouterr().err


def test_ctrl_c_is_neither_success_nor_mistake() -> None:
    def interrupted(server: str | None, key: str | None) -> Client:
        raise KeyboardInterrupt

    assert run(["costs"], interrupted) == 130


def test_a_stream_is_read_however_it_is_cut() -> None:
    text = 'event: token\r\ndata: {"text": "a\u2028b"}\r\n\r\n: ping\r\n\r\nevent: done\r\ndata: {"id": "1"}\r\n\r\n'

    class Pieces(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            for byte in text.encode():
                yield bytes([byte])

    client = answering(httpx.Response(200, stream=Pieces()))
    assert list(client.events("/v1/answers", {})) == [("token", {"text": "a\u2028b"}), ("done", {"id": "1"})]


def test_a_stream_that_breaks_off_is_a_fault(capsys: pytest.CaptureFixture[str]) -> None:
    class Breaking(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield b'event: token\ndata: {"text": "Half an ans"}\n\n'
            raise httpx.ReadError("gone")

    assert run_with(httpx.Response(200, stream=Breaking()), ["ask", "Why?"]) == 2
    ended = b'event: token\ndata: {"text": "Half"}\n\n'
    assert run_with(httpx.Response(200, content=ended), ["ask", "Why?"]) == 2
    assert "broke off" in capsys.readouterr().err


def test_an_error_within_a_stream_is_told_like_any_other(capsys: pytest.CaptureFixture[str]) -> None:
    problem = {"status": 502, "title": "The model failed", "detail": "It said no.", "hint": "Take another."}
    response = httpx.Response(200, content=f"event: error\ndata: {json.dumps(problem)}\n\n".encode())
    assert run_with(response, ["ask", "Why?"]) == 2
    assert "Take another." in capsys.readouterr().err


def test_the_stored_answer_wins_over_what_was_streamed(capsys: pytest.CaptureFixture[str]) -> None:
    cost = {"total_usd": "0.001", "saved_usd": "0", "calls": []}
    done = {"answer": "Right.", "citations": [], "cost": cost, "model": "m", "note": ""}
    content = f'event: token\ndata: {{"text": "Wrong."}}\n\nevent: done\ndata: {json.dumps(done)}\n\n'
    assert run_with(httpx.Response(200, content=content.encode()), ["ask", "Why?"]) == 0
    out = capsys.readouterr().out
    assert "checked as a whole:\nRight." in out
    assert "Cost $0.001" in out


def test_what_a_document_says_cannot_reach_the_terminals_controls(capsys: pytest.CaptureFixture[str]) -> None:
    text = "Leave is \x1b]0;owned\x07 thirty [bold]days[/bold] of \u202eevael."
    passage = {"title": text, "pages": [], "corpus": "c", "key": text, "score": 1.0, "text": text}
    assert run_with(httpx.Response(200, json={"passages": [passage]}), ["search", "leave"]) == 0
    token = f"event: token\ndata: {json.dumps({'text': text})}\n\n"
    assert run_with(httpx.Response(200, content=token.encode()), ["ask", "leave"]) == 2
    out = capsys.readouterr().out
    assert out.count("thirty [bold]days[/bold] of evael.") == 4
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("pages", "where"), [([], "Report (c"), ([3], "Report, page 3 (c"), ([3, 4, 5], "pages 3–5 (c")]
)
def test_a_found_passage_names_the_pages_it_stands_on(
    pages: list[int], where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    passage = {"title": "Report", "pages": pages, "corpus": "c", "key": "report.pdf", "score": 1.0, "text": "Leave."}
    assert run_with(httpx.Response(200, json={"passages": [passage]}), ["search", "leave"]) == 0
    assert where in capsys.readouterr().out


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("MOAT_HOME", str(tmp_path))
    home = Home(Settings.load().home_folder)
    home.prepare()
    home.key_file.write_text("home-key\n")
    return home


@pytest.fixture
def running(home: Home) -> Iterator[Home]:
    with home.owned():
        home.write_state(RunningState("http://127.0.0.1:8420", 8420, 1, "now", 2, 3))
        yield home


def test_without_options_it_talks_to_the_home_with_its_key(running: Home) -> None:
    assert find_address(None, None) == Address("http://127.0.0.1:8420", "home-key")
    assert find_address(None, "mine") == Address("http://127.0.0.1:8420", "mine")


def test_the_homes_key_goes_to_no_other_server(running: Home) -> None:
    assert find_address("https://elsewhere.example", None).key == ""
    assert find_address("http://127.0.0.1:8420/", None).key == "home-key"


def test_a_home_that_nothing_runs_on_says_how_to_start(home: Home) -> None:
    with pytest.raises(Unavailable) as caught:
        find_address(None, None)
    assert "moat up" in caught.value.hint
    assert find_address("http://127.0.0.1:8420", None).key == ""  # whoever listens there, it is not ours


@pytest.mark.parametrize("server", ["localhost:8420", "ftp://x", "http://"])
def test_an_address_that_is_none_is_refused(server: str) -> None:
    with pytest.raises(InvalidRequest):
        find_address(server, "k")


def test_client_errors_are_moats_own() -> None:
    assert issubclass(CliError, MoatError)  # so that measuring books them as a question's outcome
