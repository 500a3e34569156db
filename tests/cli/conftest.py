"""The `moat` command against the real API over real HTTP; a worker acts whenever somebody looks at the documents."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from cli.main import run
from tests.fakes.api import Api
from tests.fakes.served import served


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Command = Callable[..., Result]


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    folder = tmp_path / "server"
    folder.mkdir()
    made = Api(folder)
    yield made
    made.close()


@pytest.fixture
def url(api: Api) -> Iterator[str]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"].endswith("/documents"):
            await to_thread.run_sync(api.work)
        await api.app(scope, receive, send)

    with served(app) as address:
        yield address


@pytest.fixture
def moat(api: Api, url: str, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run one command with the admin's key, or with the one given."""

    def command(*arguments: object, key: str | None = None) -> Result:
        code = run(["--server", url, "--key", key or api.admin_key, *map(str, arguments)])
        said = capsys.readouterr()
        return Result(code, said.out, said.err)

    return command
