"""`moat erase`, `moat user` and `moat audit` against the real API."""

import json
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread
from sqlalchemy import update

from moat.settings import Settings
from moat.tables import AuditRow
from tests.fakes.api import Api
from tests.fakes.served import served
from workers.erasures import finish_erasures


@pytest.fixture
def api(tmp_path: Path) -> Any:
    folder = tmp_path / "server"
    folder.mkdir()
    made = Api(folder, erasure={"wait_s": 0})
    yield made
    made.close()


@pytest.fixture
def url(api: Api) -> Any:
    """The worker acts whenever somebody looks at an erasure."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/v1/erasures"):
            await to_thread.run_sync(api.work)
            await to_thread.run_sync(finish_erasures, api.worker)
        await api.app(scope, receive, send)

    with served(app) as address:
        yield address


def test_a_document_is_erased_with_a_report(api: Api, moat: Any) -> None:
    document = api.add("lunch.txt", "The canteen serves lunch at noon.")
    result = moat("erase", document)
    assert result.code == 0, result.err
    assert "done" in result.out
    assert "blobs left" in result.out
    report = json.loads(moat("erase", api.add("bus.txt", "The bus leaves at six."), "--json").out)
    assert report["state"] == "done"
    assert json.loads(moat("erase", "--report", report["id"], "--json").out) == report
    assert moat("erase").code == 1
    assert moat("erase", document).code == 1  # it is gone


def test_an_erasure_that_left_something_is_a_fault(api: Api, moat: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    document = api.add("lunch.txt", "The canteen serves lunch at noon.")
    monkeypatch.setattr(api.worker.blobs, "delete_original", lambda sha256: None)
    result = moat("erase", document)
    assert result.code == 2
    assert "incomplete" in result.out


def test_a_users_history_is_exported_and_forgotten(api: Api, moat: Any) -> None:
    api.add("lunch.txt", "The canteen serves lunch at noon.")
    api.person("ann").post("/v1/answers", json={"question": "When is lunch served?"})
    assert len(json.loads(moat("user", "export", "ann").out)["answers"]) == 1
    assert moat("user", "forget", "ann").code == 1
    forgotten = moat("user", "forget", "ann", "--yes")
    assert forgotten.code == 0, forgotten.err
    assert json.loads(moat("user", "export", "ann").out)["answers"] == []


def test_retention_is_said_before_it_is_in_force(api: Api, moat: Any) -> None:
    dry = moat("corpus", "retention", "default", "--days", 30)
    assert dry.code == 0, dry.err
    assert "0 documents would go" in dry.out
    assert json.loads(moat("corpus", "retention", "default", "--days", 30, "--yes", "--json").out)["in_force"]
    assert "kept for ever" in moat("corpus", "retention", "default", "--days", 0, "--yes").out


def test_the_log_is_shown_checked_and_anchored(api: Api, moat: Any, tmp_path: Path) -> None:
    for number in range(4):
        api.admin.post("/v1/corpora", json={"name": f"c{number}"})
    shown = moat("audit", "--action", "corpus.created", "--limit", 2)
    assert shown.code == 0, shown.err
    assert shown.out.count("corpus.created") == 2
    assert len(json.loads(moat("audit", "--since", "2100-01-01", "--json").out)["items"]) == 0
    anchor = moat("audit", "head").out.strip()
    assert moat("audit", "verify", "--anchor", anchor).code == 0
    export = tmp_path / "log.jsonl"
    export.write_text(api.admin.get("/v1/audit", params={"format": "jsonl"}).text)
    assert moat("audit", "verify", "--file", export, "--anchor", anchor).code == 0
    with api.database.transaction() as session:
        session.execute(update(AuditRow).where(AuditRow.seq == 2).values(user="nobody"))
    broken = moat("audit", "verify")
    assert broken.code == 2
    assert "Entry 2 was altered" in broken.err
    assert json.loads(moat("audit", "verify", "--json").out)["problems"]
    assert moat("audit", "verify", "--file", export).code == 0  # what was exported before is whole
    export.write_text(export.read_text().replace("admin", "nobody", 1))
    assert moat("audit", "verify", "--file", export).code == 2
    assert moat("audit", "verify", "--anchor", "4:abc").code == 1
    export.write_text("{}\n")
    assert moat("audit", "verify", "--file", export).code == 1


def test_settings_of_erasure_and_retention_are_off_by_default(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert (settings.retention.answers_days, settings.audit.days, settings.audit.questions) == (0, 0, False)
