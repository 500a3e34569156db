"""The smaller commands against the real API, and what they promise to scripts."""

import csv
import io
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from cli.client import Client
from cli.output import emit
from moat.errors import Unavailable


@pytest.fixture
def knowing(api: Any) -> Any:
    """An API that knows two documents."""
    api.add("leave.md", "# Leave\n\nEveryone has thirty days of leave in a year.\n")
    api.add("pay.txt", "Salaries are paid on the twentieth of the month.\n")
    return api


def test_an_answer_comes_with_its_sources_and_its_cost(knowing: Any, moat: Any) -> None:
    result = moat("ask", "How many days of leave in a year?")
    assert result.code == 0, result.err
    assert "Everyone has thirty days of leave in a year." in result.out
    assert "[1] " in result.out
    assert "“Everyone has thirty days of leave in a year.”" in result.out
    assert "Cost $0" in result.out
    assert "checked as a whole" not in result.out  # what was streamed is what is stored


def test_an_answer_as_json_is_the_whole_answer(knowing: Any, moat: Any) -> None:
    answer = json.loads(moat("ask", "How many days of leave in a year?", "--json").out)
    assert answer["citations"][0]["quote"] == "Everyone has thirty days of leave in a year."
    assert answer["cost"]["total_usd"] == "0"


def test_json_holds_nothing_that_steers_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"title": "Plan\x9b2J\x1b[31m\u202egnp.exe\x7f", "lines": ["one\ntwo\ttäb"]}
    emit(value)
    said = capsys.readouterr().out
    assert json.loads(said) == value
    assert not {"\x9b", "\x1b", "\u202e", "\x7f"} & set(said)
    assert "täb" in said


def test_an_unknown_model_is_the_askers_mistake(knowing: Any, moat: Any) -> None:
    for form in ((), ("--json",)):
        result = moat("ask", "How many?", "--model", "acme/none", *form)
        assert result.code == 1
        assert result.out.strip() == ""
        assert "acme/none" in result.err


def test_search_prints_passages_and_explains_them(knowing: Any, moat: Any) -> None:
    result = moat("search", "days of leave", "--limit", 1, "--explain")
    assert result.code == 0, result.err
    assert "leave.md" in result.out
    assert "dense rank 1" in result.out
    assert "sparse rank 1 (" in result.out
    assert "pay.txt" not in result.out
    reader = moat("search", "days of leave", "--limit", 1, "--explain", key=knowing.key("rita"))
    assert (reader.code, "sparse rank 1, " in reader.out) == (0, True), "without the score that counts others' words"
    assert len(json.loads(moat("search", "days of leave", "--limit", 1, "--json").out)["passages"]) == 1


def test_a_question_goes_on_with_a_conversation(knowing: Any, moat: Any) -> None:
    first = moat("ask", "How many days of leave in a year?")
    conversation = first.out.rsplit("--conversation ", 1)[1].split()[0]
    then = json.loads(moat("ask", "And in the second year?", "--conversation", conversation, "--json").out)
    assert then["conversation_id"] == conversation
    unknown = moat("ask", "And then?", "--conversation", "00000000-0000-0000-0000-000000000000")
    assert unknown.code == 1
    assert "There is no conversation" in unknown.err


def test_a_search_and_a_question_go_to_chosen_documents(knowing: Any, moat: Any) -> None:
    found = json.loads(moat("search", "days of leave", "--json").out)["passages"]
    pay = next(passage["document_id"] for passage in found if passage["key"] == "pay.txt")
    searched = json.loads(moat("search", "days of leave", "--document", pay, "--json").out)["passages"]
    assert {passage["document_id"] for passage in searched} == {pay}
    asked = ("ask", "How many days of leave are there?", "--document", pay)
    assert "leave.md" not in moat(*asked).out
    priced = [json.loads(moat(*words, "--dry-run", "--json").out)["passages"] for words in (asked[:2], asked)]
    assert (priced[0] > 0, priced[1]) == (True, 0), "that document does not say"
    assert "There is no document" in moat(*asked[:3], str(uuid4())).err


def test_status_shows_corpora_and_what_failed_lately(knowing: Any, moat: Any) -> None:
    broken = knowing.add("empty.md", "  \n")
    result = moat("status")
    assert result.code == 0, result.err
    assert "1 failed, 2 ready" in result.out
    assert broken in result.out
    told = json.loads(moat("status", "--json").out)
    assert told["ready"]
    assert [document["key"] for document in told["failures"]] == ["empty.md"]
    assert told["failures"][0]["hint"] in moat("status", broken).out
    assert "leave.md" in moat("status", "--corpus", "default").out


def test_status_is_a_fault_while_a_needed_part_is_down(
    knowing: Any, moat: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down() -> None:
        raise Unavailable("The vectors are away.")

    monkeypatch.setattr(knowing.vectors, "check", down)
    result = moat("status", "--json")
    assert result.code == 2
    assert json.loads(result.out)["ready"] is False
    assert "The vectors are away." in result.err


def test_a_key_is_made_used_and_revoked(knowing: Any, moat: Any) -> None:
    made = moat("key", "create", "Intranet", "--user", "ann", "--group", "hr", "--expires-days", 3)
    assert made.code == 0, made.err
    secret = made.out.strip()
    assert moat("search", "leave", key=secret).code == 0
    assert moat("key", "list", key=secret).code == 1
    (row,) = [k for k in json.loads(moat("key", "list", "--json").out)["items"] if k["name"] == "Intranet"]
    assert row["groups"] == ["hr"]
    assert row["expires_at"]
    assert "no longer works" in moat("key", "revoke", row["id"]).out
    refused = moat("search", "leave", key=secret)
    assert refused.code == 1
    assert "key" in refused.err


def test_a_key_is_rotated_and_both_secrets_work_for_a_while(knowing: Any, moat: Any) -> None:
    old = moat("key", "create", "Intranet", "--user", "ann").out.strip()
    (row,) = [k for k in json.loads(moat("key", "list", "--json").out)["items"] if k["name"] == "Intranet"]
    new = moat("key", "rotate", row["id"], "--overlap-hours", 1, "--expires-days", 3)
    assert new.code == 0, new.err
    assert "once" in new.err
    assert [moat("search", "leave", key=key).code for key in (old, new.out.strip())] == [0, 0]
    (row,) = [k for k in json.loads(moat("key", "list", "--json").out)["items"] if k["name"] == "Intranet"]
    assert new.out.startswith(row["prefix"])
    assert row["previous_until"]
    assert row["expires_at"]
    newest = json.loads(moat("key", "rotate", row["id"], "--overlap-hours", 0, "--json").out)["key"]
    assert [moat("search", "leave", key=key).code for key in (old, new.out.strip(), newest)] == [1, 1, 0]
    assert moat("key", "rotate", row["id"], "--overlap-hours", 1000).code == 1


def test_a_key_that_speaks_for_others_is_made(knowing: Any, moat: Any) -> None:
    options = ("--scope", "ask", "--scope", "act_for", "--act-for-group", "hr")
    assert moat("key", "create", "Frontend", "--user", "frontend", *options).code == 0
    (row,) = [k for k in json.loads(moat("key", "list", "--json").out)["items"] if k["name"] == "Frontend"]
    assert (row["scopes"], row["act_for_groups"]) == (["act_for", "ask"], ["hr"])


def test_a_widget_whose_page_signs_is_made(moat: Any) -> None:
    options = ("--signed-only", "--signed-group", "hr", "--moat-users", "--limit-usd", "0.25")
    assert moat("widget", "create", "Help", "--origin", "https://intranet.example", *options).code == 0
    (widget,) = json.loads(moat("widget", "list", "--json").out)["items"]
    assert (widget["signed_only"], widget["signed_groups"], widget["users"]) == (True, ["hr"], "moat")
    assert widget["limit_usd"] == "0.25"
    assert "$0.25" in moat("widget", "list").out
    first, second = (moat("widget", "secret", widget["id"]).out.strip() for _ in range(2))
    assert len(first) >= 43
    assert first != second
    assert json.loads(moat("widget", "secret", widget["id"], "--json").out).keys() == {"secret"}


def test_a_corpus_is_made_shown_and_deleted(moat: Any) -> None:
    assert moat("corpus", "create", "legal", "--access", "lawyers", "--chunk-tokens", 128).code == 0
    shown = json.loads(moat("corpus", "show", "legal", "--json").out)
    assert shown["access"] == ["lawyers"]
    assert shown["pipeline"]["chunk_tokens"] == 128
    assert "legal" in moat("corpus", "list").out
    unasked = moat("corpus", "delete", "legal")
    assert unasked.code == 1
    assert "--yes" in unasked.err
    assert moat("corpus", "delete", "legal", "--yes").code == 0
    assert moat("corpus", "show", "legal").code == 1


def test_a_widget_comes_as_one_tag(moat: Any, url: str) -> None:
    made = moat("widget", "create", "Help", "--origin", "https://intranet.example", "--group", "staff")
    (widget,) = json.loads(moat("widget", "list", "--json").out)["items"]
    assert made.out.strip() == f'<script src="{url}/widget.js" data-widget="{widget["id"]}" defer></script>'
    assert widget["id"] in moat("widget", "list").out
    assert moat("widget", "delete", widget["id"]).code == 0
    assert json.loads(moat("widget", "list", "--json").out)["items"] == []


def test_costs_come_as_table_json_and_csv(knowing: Any, moat: Any) -> None:
    moat("ask", "How many days of leave in a year?")
    told = json.loads(moat("costs", "--by", "day,model", "--json").out)
    assert told["total_usd"] == "0"
    assert moat("costs").out.strip().endswith("Total $0")
    rows = list(csv.reader(io.StringIO(moat("costs", "--csv", "--by", "model,corpus").out)))
    assert rows[0][:2] == ["model", "corpus"]
    assert moat("costs", "--by", "weather").code == 1


def test_a_dry_run_says_what_a_reindex_takes(knowing: Any, moat: Any) -> None:
    result = moat("reindex", "default", "--chunk-tokens", 64, "--dry-run")
    assert result.code == 0, result.err
    assert "2 documents" in result.out
    assert "chunk_tokens 64" in result.out
    assert json.loads(moat("reindex", "default", "--dry-run", "--json").out)["documents"] == 2


def test_a_reindex_that_nobody_agreed_to_does_not_start(knowing: Any, moat: Any) -> None:
    result = moat("reindex", "default")
    assert result.code == 1
    assert "--yes" in result.err
    assert knowing.admin.get("/v1/corpora/default").json()["pipeline"]["chunk_tokens"] == 256


def test_a_reindex_is_followed_to_its_end(knowing: Any, moat: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def cancel(seconds: float) -> None:
        (job,) = jobs
        assert knowing.admin.post(f"/v1/jobs/{job}/cancel").status_code == 200

    jobs: list[str] = []
    post = Client.post

    def noting(self: Client, path: str, json: Any) -> Any:
        told = post(self, path, json)
        jobs.extend([told["id"]] if "kind" in told else [])
        return told

    monkeypatch.setattr(Client, "post", noting)
    monkeypatch.setattr("cli.reindex.time.sleep", cancel)
    result = moat("reindex", "default", "--chunk-tokens", 64, "--yes", "--json")
    assert result.code == 2
    assert json.loads(result.out)["state"] == "cancelled"
    assert "The reindex was cancelled" in result.err


def test_evaluate_measures_through_the_same_connection(knowing: Any, moat: Any, tmp_path: Path) -> None:
    questions = tmp_path / "questions.jsonl"
    questions.write_text(json.dumps({"question": "days of leave in a year", "file": "leave.md", "answerable": True}))
    result = moat("evaluate", questions, "--arms", "hybrid", "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["arms"][0]["arm"] == "hybrid"


def test_a_corpus_report_names_what_stands_behind_each_count(api: Any, moat: Any) -> None:
    api.add("a.txt", "Lunch is at noon for everyone in this house.")
    api.add("b.txt", "Lunch is at noon for everyone in this house.", access="hr")
    api.add("empty.md", "  \n")
    result = moat("corpus", "report", "default")
    assert result.code == 0, result.err
    for words in ("default: 3 documents", "a.txt, b.txt", "empty.md", "Languages: en 2", "2 chunks"):
        assert words in result.out
    told = json.loads(moat("corpus", "report", "default", "--json", "--stale-days", 9).out)
    assert (told["exact_duplicates"]["count"], told["stale"]["older_than_days"]) == (1, 9)
