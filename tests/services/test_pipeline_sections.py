"""Cleaning and redaction as a corpus's settings, and what a document's report and original say of them."""

from typing import Any

from tests.fakes.api import Api, problem
from tests.fakes.canaries import CANARIES, letter


def make(api: Api, **pipeline: Any) -> dict[str, Any]:
    made = api.admin.post("/v1/corpora", json={"name": "legal", "access": ["everyone"], "pipeline": pipeline})
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()["pipeline"]
    return found


def test_a_section_changes_by_its_fields_and_keeps_the_others(api: Api) -> None:
    pipeline = make(api, cleaning={"hyphenation": False}, redaction={"mode": "mask", "types": ["email"]})
    assert pipeline["cleaning"]["hyphenation"] is False
    assert pipeline["cleaning"]["hidden_text"] is True
    assert pipeline["redaction"] == {"mode": "mask", "types": ["email"], "keep_original": False}
    planned = api.admin.post(
        "/v1/corpora/legal/reindex", json={"dry_run": True, "redaction": {"keep_original": True}}
    ).json()["pipeline"]
    assert planned["redaction"] == {"mode": "mask", "types": ["email"], "keep_original": True}
    assert planned["cleaning"] == pipeline["cleaning"]


def test_unknown_rules_and_types_are_refused(api: Api) -> None:
    for pipeline in ({"cleaning": {"hypenation": False}}, {"redaction": {"mode": "mask", "types": ["names"]}}):
        problem(api.admin.post("/v1/corpora", json={"name": "x", "pipeline": pipeline}), 422)


def test_the_report_tells_what_was_cleaned(api: Api) -> None:
    id_ = api.add("a.txt", "The caf\u00c3\u00a9 is zero\u200bwidth open.")
    report = api.admin.get(f"/v1/documents/{id_}").json()["report"]
    assert report == {
        "cleaning": {"invisible": 1, "mojibake": 1},
        "redactions": {},
        "warnings": [],
        "instructions": [],
        "embedded": 1,
    }
    assert api.admin.get(f"/v1/documents/{id_}/text").json()["text"] == "The café is zerowidth open."


def test_a_masked_document_has_no_original_and_no_trace_of_what_was_masked(api: Api) -> None:
    make(api, redaction={"mode": "mask"})
    id_ = api.add("letter.txt", letter(), corpus="legal")
    shown = api.admin.get(f"/v1/documents/{id_}").json()
    assert shown["state"] == "ready"
    assert shown["report"]["redactions"] == dict.fromkeys(CANARIES, 1)
    gone = problem(api.admin.get(f"/v1/documents/{id_}/content"), 404)
    assert "not kept" in gone["detail"]
    text = api.admin.get(f"/v1/documents/{id_}/text").json()["text"]
    passages = api.admin.post("/v1/search", json={"question": "Which person?"}).text
    for value in CANARIES.values():
        assert value not in text
        assert value not in passages
    assert "[iban]" in text


def test_the_original_can_be_kept(api: Api) -> None:
    make(api, redaction={"mode": "mask", "keep_original": True})
    id_ = api.add("letter.txt", letter(), corpus="legal")
    assert api.admin.get(f"/v1/documents/{id_}/content").text == letter()
    assert "[card]" in api.admin.get(f"/v1/documents/{id_}/text").json()["text"]
