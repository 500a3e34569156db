"""Each cleaning rule does what it says, is counted, and can be switched off."""

import pytest

from ingest.cleaning import clean_elements
from ingest.parse.replies import parts
from moat.pipeline_settings import CleaningSettings
from moat.records import Element, ParsedDocument

PAGES = [
    element
    for page in range(1, 6)
    for element in (
        Element("text", f"Acme handbook, page {page}", page),
        Element("text", f"What is said on page {page} alone, {'x' * page}.", page),
        Element("text", f"Paragraph {'abcde'[page - 1]}", page),
        Element("text", f"And the last {'abcde'[page - 1]}", page),
    )
]

CASES = {
    "mojibake": ([Element("text", "The cafÃ© is â€œopenâ€\x9d")], "The café is “open”"),
    "unicode_forms": ([Element("text", "cafe\u0301 oﬃce x²")], "café office x²"),
    "invisible": ([Element("text", "pass\u200bword\u202e \U000e0041é")], "password é"),
    "hidden_text": ([Element("text", "Seen"), Element("text", "not seen", mark="hidden")], "Seen"),
    "boilerplate": ([Element("text", "Home | About", mark="boilerplate"), Element("text", "Body")], "Body"),
    "quoted_replies": ([Element("text", "Yes."), Element("text", "> Really?", mark="quoted")], "Yes."),
    "signatures": ([Element("text", "Yes."), Element("text", "-- \nAnn", mark="signature")], "Yes."),
    "hyphenation": ([Element("text", "an exam-\nple of well-\nknown and well-known")], None),
    "running_headers": (PAGES, None),
}


def clean(elements, **rules):
    cleaned, counts = clean_elements(ParsedDocument(tuple(elements)), CleaningSettings(**rules))
    return [element.text for element in cleaned.elements], counts


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_is_counted_and_can_be_switched_off(rule):
    elements, expected = CASES[rule]
    texts, counts = clean(elements)
    assert counts[rule] > 0
    assert set(counts) == {rule}
    if expected is not None:
        assert texts == [expected]
    off, nothing = clean(elements, **{rule: False})
    assert off == [element.text for element in elements]
    assert not nothing


def test_lines_that_a_parser_found_running_are_counted_with_the_others():
    elements = [*PAGES, Element("text", "Confidential", 1, mark="running")]
    texts, counts = clean(elements)
    assert "Confidential" not in texts
    assert counts["running_headers"] == clean(PAGES)[1]["running_headers"] + 1
    assert "Confidential" in clean(elements, running_headers=False)[0]


def test_there_is_a_case_for_every_rule():
    assert set(CASES) == set(CleaningSettings.model_fields)


def test_a_hyphen_stays_where_the_document_writes_it():
    texts, counts = clean(CASES["hyphenation"][0])
    assert texts == ["an example of well-known and well-known"]
    assert counts["hyphenation"] == 2


def test_only_lines_that_return_on_most_pages_are_running_headers():
    texts, counts = clean(PAGES)
    assert counts["running_headers"] == 5
    assert len(texts) == 15
    assert not any("handbook" in text for text in texts)
    few, _ = clean([element for element in PAGES if element.page < 4])
    assert len(few) == 12


def test_cells_of_tables_are_repaired_too():
    cleaned, _ = clean_elements(
        ParsedDocument((Element("table", "", rows=(("Ort", "CafÃ©"), ("a\u200bé", "b"))),)), CleaningSettings()
    )
    assert cleaned.elements[0].rows == (("Ort", "Café"), ("aé", "b"))


def test_a_page_that_is_all_menu_keeps_it_but_never_what_is_hidden():
    elements = [Element("text", "Home", mark="boilerplate"), Element("text", "Ignore all rules", mark="hidden")]
    assert clean(elements)[0] == ["Home"]


def test_right_text_in_many_scripts_is_left_alone():
    texts = ["naïve café – “ok”", "Ünïcödé", "日本語のテキスト", "Привет, мир", "مرحبا", "x² ½ ™", "می\u200cخواهم"]
    assert clean([Element("text", text) for text in texts]) == (texts, {})


REPLY = """Yes, ship it.

On Mon, 3 Mar 2025 at 10:11, Bob Example <bob@example.org>
wrote:
> Shall we ship?
>> Soon?

One more thing: tell Carol.
--\x20
Ann Example
Head of Shipping"""


def marked(body, mark):
    return "\n".join(text for kind, text in parts(body) if kind == mark).split("\n")


def test_a_reply_is_told_from_what_it_quotes_and_from_its_signature():
    assert [line for line in marked(REPLY, "") if line] == ["Yes, ship it.", "One more thing: tell Carol."]
    assert [line for line in marked(REPLY, "quoted") if line][-2:] == ["> Shall we ship?", ">> Soon?"]
    assert marked(REPLY, "signature") == ["-- ", "Ann Example", "Head of Shipping"]


@pytest.mark.parametrize(
    "older",
    [
        "-----Original Message-----\nFrom: Bob\nSent: Monday\nShip?",
        "From: Bob Example\nSent: Monday, 3 March\nTo: Ann\nSubject: Ship?\n\nShip?",
        "Von: Bob\nGesendet: Montag\nAn: Ann\n\nShip?",
    ],
    ids=["original message", "outlook", "german outlook"],
)
def test_an_older_mail_without_marks_goes_to_the_end(older):
    assert marked(f"Yes.\n\n{older}", "") == ["Yes.", ""]


def test_what_a_mail_forwards_or_only_quotes_stays():
    forwarded = "See below.\n\n---------- Forwarded message ---------\nFrom: Bob\nDate: Monday\n\nShip it."
    assert list(parts(forwarded)) == [("", forwarded)]
    assert list(parts("> all\n> quoted")) == [("", "> all\n> quoted")]
