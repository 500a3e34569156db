"""A first question set from a corpus's own headings: what its FAQs ask, what it defines, what its sections are about.

Such questions are easier than people's own, since they share words with the text: they find what is broken, and show
how to write better ones. None of them is unanswerable; add those by hand.
"""

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from answering.sentences import sentence_spans
from answering.words import STOP_WORDS
from evaluation.client import Client, JsonObject, items
from evaluation.records import Progress, ProgressCallback
from moat.sparse import ENGLISH, terms

FAQ, DEFINITION, HEADING = "faq", "definition", "heading"
_LONGEST_HEADING, _FEWEST_WORDS = 120, 5
_FAQ_FROM = 3  # questions of a document without sections
_NO_HEADING = re.compile(r"[.:;,!…。：；，]$|\w{3}\.\s|\||^[-*+•>]|://|@")
_SENTENCES_LOOKED_AT = 3
_ENGLISH = 0.2  # of a text's words are function words of English, if it is English
_PREFIX = re.compile(r"^(?:[#>*\s]|\d+(?:\.\d+)*[.)]?\s|q(?:uestion)?\s*\d*\s*[.:)]\s*)+", re.IGNORECASE)
_DEFINED = re.compile(
    r"^(?P<article>(?:An?|The)\s)?(?P<term>[\w/&()-]+(?:\s[\w/&()-]+){0,3}?)\s"
    r"(?:(?P<verb>is|are)\s(?:an?|the)\s(?!same|only|best|first|last|most)\w|means\s\w)"
)
_NO_TERM = re.compile(
    r"(?:it|this|that|these|those|there|here|he|she|they|we|you|i|who|which|what|all|each|such|our|your|his|her|their|my"
    r"|if|when|where|as)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Section:
    """A heading of a document with what stands under it."""

    key: str
    title: str
    heading: str
    text: str


def make_questions(
    client: Client, corpus: str, count: int, on_progress: ProgressCallback | None = None, seed: int = 1
) -> list[dict[str, Any]]:
    """Make up to `count` questions as rows of a question file: FAQs first, then definitions, then other headings.

    Each kind is drawn evenly from the documents, by a seed. A heading or definition that stands in several documents
    is left out, since nobody could say which of them is meant; an FAQ's other files are named beside it.
    """
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    documents = list(items(client, f"/v1/corpora/{quote(corpus, safe='')}/documents", state="ready"))
    for done, document in enumerate(documents, 1):
        for section in _sections(client, document):
            for row in _rows(section):
                found[row["kind"]].append({**row, "corpus": corpus})
        if on_progress:
            on_progress(Progress("documents", done, len(documents)))
    rows = [*_joined(found[FAQ]), *_unique(found[DEFINITION]), *_unique(found[HEADING])]
    rows = _fill(rows, count, random.Random(seed))  # noqa: S311 (no secret hangs on it)
    return [{"_id": f"{row['kind']}-{number:03}", **row} for number, row in enumerate(rows, 1)]


def _sections(client: Client, document: JsonObject) -> list[Section]:
    """Find a document's headings in its text: short lines of their own with a paragraph below.

    Only in documents that are built of sections, or that ask and answer several times: mails and lists have short
    lines, too.
    """
    text = client.get(f"/v1/documents/{document['id']}/text")["text"]
    title = document["title"] or document["name"]
    found: list[Section] = []
    heading, under = "", list[str]()
    for block in [*re.split(r"\n\s*\n", text), ""]:
        if block and not _is_heading(block.strip()):
            under.append(block)
            continue
        if heading and under and heading != title:
            found.append(Section(document["key"], title, heading, "\n".join(under)))
        heading, under = " ".join(_PREFIX.sub("", block.strip()).split()), []
    chunks = client.get(f"/v1/documents/{document['id']}/chunks?limit=50")["items"]
    if any(chunk["heading_path"] for chunk in chunks):
        return found
    asked = [section for section in found if _asks(section.heading)]
    return asked if len(asked) >= _FAQ_FROM else []


def _is_heading(block: str) -> bool:
    return (
        "\n" not in block
        and len(block) <= _LONGEST_HEADING
        and not _NO_HEADING.search(block)
        and any(character.isalpha() for character in block)
    )


def _asks(heading: str) -> bool:
    return heading.endswith(("?", "？"))


def _rows(section: Section) -> Iterator[dict[str, Any]]:
    """Give the question of one section, with the sentence that answers it as far as it can be told."""
    sentences = _sentences(section)
    if not sentences:
        return
    if _asks(section.heading):
        yield _row(FAQ, section.heading, section, sentences[0])
        return
    for sentence in sentences:
        asked = _defined(sentence)
        if asked:
            yield _row(DEFINITION, asked, section, sentence)
            return
    yield _row(HEADING, _about(section), section, None)  # any sentence of the section answers


def _row(kind: str, question: str, section: Section, sentence: str | None) -> dict[str, Any]:
    return {"question": question, "answerable": True, "file": section.key, "sentence": sentence, "kind": kind}


def _sentences(section: Section) -> list[str]:
    """Give the first sentences under a heading that are more than a label."""
    cut = (section.text[start:end] for start, end in sentence_spans(section.text))
    whole = [sentence for sentence in cut if len(sentence.split()) >= _FEWEST_WORDS or not sentence.isascii()]
    return whole[:_SENTENCES_LOOKED_AT]


def _defined(sentence: str) -> str:
    """Ask for what a sentence defines; nothing where it defines nothing by its name."""
    match = _DEFINED.match(sentence)
    if not match or not sentence[0].isupper() or _NO_TERM.match(match["term"]):
        return ""
    return f"What {match['verb'] or 'is'} {(match['article'] or '').lower()}{match['term']}?"


def _about(section: Section) -> str:
    """Ask for a section in English where the text is English, else by its bare names, which hold in every language."""
    words = terms(section.text)
    if words and sum(word in STOP_WORDS[ENGLISH] for word in words) / len(words) >= _ENGLISH:
        return f"What does “{section.title}” say about “{section.heading}”?"
    return f"{section.title}: {section.heading}?"


def _joined(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep each question once, and name the other files that ask it."""
    by_question: dict[str, dict[str, Any]] = {}
    for row in rows:
        first = by_question.setdefault(row["question"].lower(), {**row, "other_files_with_same_sentence": []})
        others = first["other_files_with_same_sentence"]
        if row["file"] != first["file"] and row["file"] not in others:
            others.append(row["file"])
    return list(by_question.values())


def _unique(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in _joined(rows) if not row["other_files_with_same_sentence"]]


def _fill(rows: Sequence[dict[str, Any]], count: int, draw: random.Random) -> list[dict[str, Any]]:
    """Take up to `count` rows: kinds in their order, and within a kind one of each document in turn."""
    chosen: list[dict[str, Any]] = []
    for kind in (FAQ, DEFINITION, HEADING):
        by_file: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            if row["kind"] == kind:
                by_file[row["file"]].append(row)
        chosen += _in_turn(by_file, draw)
    return _shared_out(chosen, count)


def _in_turn(by_file: Mapping[str, list[dict[str, Any]]], draw: random.Random) -> list[dict[str, Any]]:
    """Order rows so that each document gives one before any gives its second."""
    files = sorted(by_file)
    draw.shuffle(files)
    for name in files:
        draw.shuffle(by_file[name])
    longest = max((len(those) for those in by_file.values()), default=0)
    return [by_file[name][turn] for turn in range(longest) for name in files if turn < len(by_file[name])]


def _shared_out(rows: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Give each kind its third; what one kind does not fill goes to the others, FAQs first."""
    by_kind = {kind: [row for row in rows if row["kind"] == kind] for kind in (FAQ, DEFINITION, HEADING)}
    taken = {kind: min(len(those), count // len(by_kind)) for kind, those in by_kind.items()}
    for kind, those in by_kind.items():
        taken[kind] += min(len(those) - taken[kind], count - sum(taken.values()))
    return [row for kind, those in by_kind.items() for row in those[: taken[kind]]]
