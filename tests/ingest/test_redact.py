"""Masks: what is found by its form and its check digit, and what only looks like it."""

import pytest

from ingest.parse import parse
from ingest.redact import find, mask, redact
from ingest.wire import dump_parsed, load_parsed
from moat.pipeline_settings import RedactionSettings
from moat.records import Element, ParsedDocument
from tests.fakes.canaries import CANARIES, letter

MASK = RedactionSettings(mode="mask")
TYPES = MASK.types

FOUND = [
    ("email", "write to ann.o'neil+x@mail.example.co.uk.", "ann.o'neil+x@mail.example.co.uk"),
    ("email", "jörg@müller.example", "jörg@müller.example"),
    ("card", "card 4111-1111-1111-1111 expires", "4111-1111-1111-1111"),
    ("card", "378282246310005", "378282246310005"),
    ("iban", "IBAN: GB82 WEST 1234 5698 7654 32 at the bank", "GB82 WEST 1234 5698 7654 32"),
    ("iban", "FR1420041010050500013M02606", "FR1420041010050500013M02606"),
    ("national_id", "SSN 536-90-4399", "536-90-4399"),
    ("national_id", "NINO QQ 12 34 56 C".replace("QQ", "AB"), "AB 12 34 56 C"),
    ("national_id", "her NHS number is 943 476 5919", "943 476 5919"),
    ("national_id", "Steuer-ID 86095742719", "86095742719"),
    ("national_id", "DNI 12345678Z", "12345678Z"),
    ("national_id", "codice RSSMRA85T10A562S", "RSSMRA85T10A562S"),
    ("national_id", "NIR 2 55 08 14 168 025 38", "2 55 08 14 168 025 38"),
    ("ip", "from 203.0.113.7 today", "203.0.113.7"),
    ("ip", "at 2001:db8::8a2e:370:7334.", "2001:db8::8a2e:370:7334"),
    ("phone", "+1 (415) 555-2671", "+1 (415) 555-2671"),
    ("phone", "call me: 467 3395", "467 3395"),
    ("secret", "key AKIAIOSFODNN7EXAMPLE here", "AKIAIOSFODNN7EXAMPLE"),
    ("secret", "ghp_" + "a1B2" * 9, "ghp_" + "a1B2" * 9),
    ("secret", "password: hunter2Xyz!", "hunter2Xyz!"),
    ("secret", "postgres://moat:s3cr3tpass@db/moat", "s3cr3tpass"),
    (
        "secret",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----",
    ),
]
NOT_FOUND = [
    "order 4111 1111 1111 1112 was shipped",
    "GB82 WEST 1234 5698 7654 33",
    "version 1.2.3.4.5 of 10.12.2024, page 12 of 300",
    "The revenue was 1,234,567,890 in 2023 and 987 654 in 2022.",
    "2024-03-01 12:30:45",
    "std::vector::push_back",
    "Never write a password into a ticket; the password policy asks for more.",
    "ISBN 978-3-16-148410-0",
    "commit 3f2a9c1b7d8e4f60a1b2c3d4e5f60718293a4b5c",
    "@mention and a@b",
]


@pytest.mark.parametrize(("kind", "text", "value"), FOUND, ids=[f"{k}-{v[:12]}" for k, _, v in FOUND])
def test_a_value_is_found_as_its_type(kind, text, value):
    assert [(text[start:end], found) for start, end, found in find(text, TYPES)] == [(value, kind)]


@pytest.mark.parametrize("text", NOT_FOUND)
def test_what_only_looks_like_it_stays(text):
    assert mask(text, MASK) == (text, {})


def test_every_canary_is_masked_as_its_type_and_masking_again_changes_nothing():
    masked, counts = mask(letter(), MASK)
    assert counts == dict.fromkeys(CANARIES, 1)
    assert not any(value in masked for value in CANARIES.values())
    assert mask(masked, MASK) == (masked, {})


def test_only_types_that_are_asked_for_are_masked():
    text = "a@example.org from 203.0.113.7"
    assert mask(text, RedactionSettings(mode="mask", types=("ip",)))[0] == "a@example.org from [ip]"
    assert mask(text, RedactionSettings())[0] == text


def test_invisible_characters_do_not_hide_an_address():
    assert mask("ann\u200b@exam\u2060ple.org", MASK)[0] == "[email]"


def test_elements_cells_titles_and_warnings_are_masked_and_counted():
    address = "ann@example.org"
    parsed = ParsedDocument(
        (Element("text", address), Element("table", "", rows=(("Mail",), (address,)))),
        title=f"About {address}",
        warnings=(f"{address} was not read",),
    )
    masked = redact(parsed, MASK)
    assert address not in dump_parsed(masked).decode()
    assert dict(masked.masked) == {"email": 4}
    assert load_parsed(dump_parsed(masked)) == masked
    assert redact(parsed, RedactionSettings()) is parsed


def test_a_mail_keeps_its_form(tmp_path):
    path = tmp_path / "m.eml"
    path.write_text("From: Ann <ann@example.org>\nTo: bob@example.org\nSubject: Call +1 415 555 2671\n\nHello\n")
    masked = redact(parse(path, "message/rfc822", "m.eml"), MASK)
    assert masked.elements[1].text == "From: Ann <[email]>\nTo: [email]"
    assert masked.title == "Call [phone]"
