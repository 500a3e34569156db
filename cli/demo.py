"""`moat demo`: a sample company's documents uploaded and asked about, with nothing set up before."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from shutil import which
from typing import Annotated, Any

import typer

from cli.address import Address
from cli.ask import ask_aloud
from cli.client import Client, CliError, JsonObject
from cli.files import find_files
from cli.home import Home
from cli.output import AsJson, counted, emit, err, out, states
from cli.ports import require_free
from cli.sending import Sent
from cli.supervisor import Happening, Supervisor
from cli.up import load_settings, platform, show, stop_on_signals
from cli.upload import show_failures, upload_files
from moat.api_settings import ApiSettings
from moat.errors import Conflict
from moat.records import EVERYONE
from moat.settings import Settings

CORPUS = "demo"
# A Word file, a PDF with pages and a mail: whole answers even from the free model that only quotes.
QUESTIONS = ("sample-016", "sample-020", "sample-013")
_READY_S = 180.0


@dataclass(frozen=True, slots=True)
class _Moat:
    """A running Moat; without a supervisor another command keeps it running."""

    address: Address
    supervisor: Supervisor | None


def demo(
    home: Annotated[Path | None, typer.Option(help="Folder that holds everything.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the API; 0 takes a free one.", min=0, max=65_535)] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Keep serving afterwards, until Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start Moat, upload a sample company's documents and ask three questions about them."""
    settings = load_settings(home, port)
    if port is None:
        settings = _on_a_free_port(settings)
    with _running(settings) as moat:
        client = Client(lambda: moat.address)
        try:
            results = _tour(client, as_json)
        finally:
            client.close()
        if as_json:
            emit({"url": moat.address.url, **results})
        else:
            _what_next(settings, moat, home, serve)
        if serve:
            _serve(moat, as_json)


@contextmanager
def _running(settings: Settings) -> Iterator[_Moat]:
    """Use the Moat that runs on this home, or start one for the length of the block."""
    home = Home(settings.home_folder)
    state = home.running()
    if state is not None:
        err.print(f"Moat runs already: {state.url}")
        key = home.key_file.read_text(encoding="utf-8").strip()
        yield _Moat(Address(state.url, key, state.certificate), None)
        return
    signal.signal(signal.SIGTERM, _as_ctrl_c)  # so that whatever ends the demo stops what it started
    err.print(f"Starting Moat on {home.folder}; the first start takes some seconds.", soft_wrap=True)
    with platform(settings, report=_only_deaths) as started:
        started.supervisor.wait_ready(_READY_S)
        running = home.running()
        certificate = running.certificate if running else ""
        yield _Moat(Address(started.url, started.admin_key, certificate), started.supervisor)


def _as_ctrl_c(*_: object) -> None:
    raise KeyboardInterrupt


def _only_deaths(happening: Happening) -> None:
    if happening.state == "died":
        show(happening)


def _on_a_free_port(settings: Settings) -> Settings:
    """Take another port when nobody chose this one and it is taken."""
    api = settings.api
    if api.port != ApiSettings().port or Home(settings.home_folder).running():
        return settings
    try:
        require_free(api.host, api.port)
    except Conflict:
        err.print(f"Port {api.port} is taken; using a free one.")
        return settings.model_copy(update={"api": api.model_copy(update={"port": 0})})
    return settings


def _tour(client: Client, as_json: bool) -> JsonObject:
    sample = Path(str(files("evaluation"))) / "sample"
    _make_corpus(client)
    sent = upload_files(client, CORPUS, find_files([sample / "documents"], None, None))
    if not as_json:
        _tell_upload(sent)
    answers = [_ask(client, question, as_json) for question in _questions(sample / "questions.jsonl")]
    return {"corpus": CORPUS, "documents": [item.as_json() for item in sent], "answers": answers}


def _make_corpus(client: Client) -> None:
    try:
        client.post("/v1/corpora", {"name": CORPUS, "access": [EVERYONE]})
    except CliError as error:
        if error.problem_status != 409:  # there already, from a demo before
            raise


def _tell_upload(sent: list[Sent]) -> None:
    show_failures(sent)
    counts: dict[str, int] = {}
    for item in sent:
        counts[item.state] = counts.get(item.state, 0) + 1
    again = " (all there already)" if all(item.duplicate for item in sent) else ""
    out.print(f"{counted(len(sent), 'document')} of a sample company: {states(counts)}{again}", style="bold green")


def _questions(file: Path) -> list[str]:
    rows: list[dict[str, Any]] = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    by_id = {row["_id"]: str(row["question"]) for row in rows}
    return [by_id[name] for name in QUESTIONS]


def _ask(client: Client, question: str, as_json: bool) -> JsonObject:
    if as_json:
        return client.post("/v1/answers", {"question": question, "corpora": [CORPUS]})
    out.print()
    out.print(question, style="bold cyan")
    return ask_aloud(client, question, [CORPUS])


def _what_next(settings: Settings, moat: _Moat, home: Path | None, serve: bool) -> None:
    """Say where the page is, and the commands for documents of one's own."""
    command = "moat" if which("moat") else sys.argv[0]  # as it was typed, when it is not on the PATH
    client = f"MOAT_HOME={home} {command}" if home else command
    config = settings.home_folder / "moat.toml"
    rows = [
        ("Open the page", f"{moat.address.url}  (the key is in {settings.home_folder / 'admin.key'})"),
        ("Upload your own", f"{client} upload FOLDER"),
        ("Ask", f'{client} ask "Your question"'),
        ("Let a model answer", f'[providers.openai] api_key = "..." and [models."openai/gpt-4o-mini"] in {config}'),
    ]
    if not serve and moat.supervisor is not None:
        start = f"{command} up --home {home}" if home else f"{command} up"
        rows = [("Start Moat", f"{start}  (it prints the address of the page)"), *rows[1:]]
    out.print()
    for title, text in rows:
        out.print(f"{title + ':':<20}{text}", soft_wrap=True)


def _serve(moat: _Moat, as_json: bool) -> None:
    if moat.supervisor is None:
        err.print(f"Moat is serving at {moat.address.url} already; another command keeps it running.")
        return
    stop_on_signals(moat.supervisor)
    console = err if as_json else out
    console.print(f"Moat is serving at {moat.address.url} — press Ctrl-C to stop", style="bold green", soft_wrap=True)
    moat.supervisor.wait()
