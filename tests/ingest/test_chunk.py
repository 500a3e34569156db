"""Chunks: exact spans, whole coverage, within the embedder's window."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.chunk import chunk
from ingest.clean import to_canonical
from moat.records import Element, ParsedDocument
from tests.fakes import documents
from tests.fakes.embedder import WordsEmbedder


class Pieces(WordsEmbedder):
    """Cuts words in fours, and like WordPiece gives up on a word of more than a hundred characters."""

    def token_spans(self, text):
        spans = []
        for word in re.finditer(r"\w+|[^\w\s]", text):
            start, end = word.span()
            step = 4 if end - start <= 100 else end - start
            spans += [(at, min(at + step, end)) for at in range(start, end, step)]
        return spans


def cut(elements, limit=32, embedder=None):
    text, blocks = to_canonical(ParsedDocument(tuple(elements)), "f.txt")
    return text, chunk(text, blocks, embedder or Pieces(), limit)


def check(text, chunks, limit, embedder):
    at = 0
    for ordinal, piece in enumerate(chunks):
        assert piece.ordinal == ordinal
        assert piece.text == text.text[piece.start : piece.end]
        assert piece.text.strip() == piece.text != ""
        assert not text.text[at : piece.start].strip()
        assert len(embedder.token_spans(piece.text)) <= limit
        at = piece.end
    assert not text.text[at:].strip()


WORDS = st.text(alphabet=st.sampled_from("ab. \n|é漢。!-"), max_size=400) | st.text(alphabet="xy", max_size=900)
PARTS = st.lists(
    st.builds(
        Element,
        kind=st.sampled_from(["heading", "text", "list_item", "code"]),
        text=WORDS,
        page=st.integers(1, 3),
        level=st.integers(1, 3),
    )
    | st.builds(
        Element,
        kind=st.just("table"),
        text=st.just(""),
        rows=st.lists(st.lists(WORDS, max_size=3).map(tuple)).map(tuple),
    ),
    max_size=10,
)


@settings(deadline=None, max_examples=200)
@given(PARTS, st.integers(8, 60))
def test_chunks_are_verbatim_cover_everything_and_fit(parts, limit):
    embedder = Pieces()
    text, chunks = cut(parts, limit, embedder)
    # A giant word is counted by its length; parts of it may still be longer than a very small limit by themselves.
    check(text, chunks, max(limit, 100), embedder)
    assert all(piece.tokens <= limit for piece in chunks)


@pytest.mark.parametrize("name", ["docx", "pptx", "xlsx", "eml"])
def test_chunks_of_every_format_are_verbatim(read, name):
    parsed = read(getattr(documents, name)(), f"a.{name}")
    text, blocks = to_canonical(parsed, f"a.{name}")
    embedder = Pieces()
    check(text, chunk(text, blocks, embedder, 8), 8, embedder)


def test_the_embedders_window_is_the_limit_when_it_is_smaller():
    embedder = Pieces(max_tokens=20)
    _, chunks = cut([Element("text", "one two three four. " * 40)], 256, embedder)
    assert max(piece.tokens for piece in chunks) <= 18


def test_text_is_cut_between_sentences_but_not_after_abbreviations():
    sentences = [f"Dr. Ada Low visited site {n} with Mr. Kay, e.g. The Hague." for n in range(10)]
    _, chunks = cut([Element("text", " ".join(sentences))], 40)
    assert len(chunks) > 2
    assert all(piece.text.startswith("Dr. Ada") and piece.text.endswith("Hague.") for piece in chunks)


def test_a_table_is_cut_between_rows():
    rows = (("City", "Limit"), *((f"Town{n}", f"{n} EUR") for n in range(40)))
    _, chunks = cut([Element("table", "", rows=rows)], 40)
    assert len(chunks) > 3
    assert all(line.startswith("City: Town") for piece in chunks for line in piece.text.split("\n"))


def test_a_big_section_stands_alone():
    body = "The quick brown fox jumps over. " * 3
    _, chunks = cut(
        [
            Element("heading", "A", level=1),
            Element("text", body),
            Element("heading", "B", level=1),
            Element("text", body),
        ],
        60,
    )
    assert [piece.heading_path for piece in chunks] == [("A",), ("B",)]
    assert chunks[1].text.startswith("B\n\nThe quick")


def test_tiny_sections_share_a_chunk_under_their_parent():
    parts = [Element("heading", "FAQ", level=1)]
    for n in range(6):
        parts += [Element("heading", f"Q{n}", level=2), Element("text", f"Answer {n}.")]
    _, chunks = cut(parts, 64)
    assert len(chunks) < 4
    assert chunks[0].heading_path == ("FAQ",)


def test_a_heading_is_never_left_at_the_end_of_a_chunk():
    parts = []
    for n in range(12):
        parts += [Element("heading", f"Part {n}", level=2), Element("text", "some words of a sentence. " * (n % 5 + 1))]
    _, chunks = cut(parts, 40)
    assert not any(re.search(r"Part \d+$", piece.text) for piece in chunks)


def test_the_page_is_where_the_chunk_begins():
    _, chunks = cut([Element("text", "word " * 30, 1), Element("text", "term " * 30, 2)], 32)
    assert [piece.page for piece in chunks] == [1, 2]


def test_the_pages_that_begin_inside_a_chunk_are_kept():
    canonical, (piece,) = cut([Element("text", "first page", 1), Element("text", "second page", 2)], 64)
    assert piece.page == 1
    assert piece.page_starts == ((2, canonical.text.index("second")),)


@pytest.mark.timeout(120)  # a cut that looks back from every word to the beginning would take hours
@pytest.mark.parametrize(
    "content", ["word " * 400_000, "x" * 2_000_000, "a.b\n" * 150_000], ids=["line", "word", "lines"]
)
def test_large_texts_are_cut_without_looking_back(content):
    canonical, chunks = cut([Element("text", content)], 256)
    assert chunks[-1].end == len(canonical.text)


@pytest.mark.parametrize("at", [3, 500])
def test_a_row_added_to_a_long_table_changes_only_the_chunks_around_it(at):
    rows = [("City", "Limit"), *((f"Town{n}", f"{n} EUR") for n in range(1000))]
    _, before = cut([Element("table", "", rows=tuple(rows))], 128)
    rows.insert(at, ("Newtown", "17 EUR"))
    _, after = cut([Element("table", "", rows=tuple(rows))], 128)
    assert len(before) > 80
    assert len({piece.text for piece in after} - {piece.text for piece in before}) <= 15


@pytest.mark.parametrize("kind", ["text", "list_item"])
def test_a_line_added_to_a_long_list_changes_only_the_chunks_around_it(kind):
    lines = [Element(kind, f"Town{n} pays {n} EUR") for n in range(1000)]
    _, before = cut(lines, 128)
    _, after = cut([*lines[:3], Element(kind, "Newtown pays 17 EUR"), *lines[3:]], 128)
    assert len(before) > 40
    assert len({piece.text for piece in after} - {piece.text for piece in before}) <= 15
