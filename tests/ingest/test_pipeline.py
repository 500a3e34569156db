"""Stages in order: prepared, embedded in batches, written down and read back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.embed import BATCH
from ingest.pipeline import (
    dump_canonical,
    dump_parsed,
    embed,
    fingerprint,
    load_canonical,
    load_parsed,
    prepare,
)
from moat.errors import ParsingFailed
from moat.pipeline_settings import PipelineSettings
from moat.records import Chunk, Element, ParsedDocument
from moat.sparse import encode_chunk
from tests.fakes import documents
from tests.fakes.embedder import WordsEmbedder

SETTINGS = PipelineSettings()


def chunks(count):
    return [Chunk(n, f"chunk {n} " + "word " * (n % 7), 0, 1, None, ("Part",), n % 7) for n in range(count)]


@pytest.mark.parametrize("name", ["docx", "pptx", "xlsx", "eml"])
def test_a_file_becomes_vectors(read, name):
    prepared = prepare(read(getattr(documents, name)(), f"a.{name}"), f"a.{name}", SETTINGS, WordsEmbedder())
    (batch,) = embed(prepared.chunks, prepared.about, WordsEmbedder())
    assert [item.chunk for item in batch] == list(prepared.chunks)
    assert all(np.isclose(np.linalg.norm(item.dense), 1, atol=1e-3) and item.sparse.indices for item in batch)


def test_batches_keep_the_order_and_each_its_own_vector():
    embedder, heard = WordsEmbedder(), []
    batches = list(embed(chunks(BATCH + 6), "Title", embedder, lambda done, total: heard.append((done, total))))
    assert [len(batch) for batch in batches] == [BATCH, 6]
    assert heard == [(BATCH, BATCH + 6), (BATCH + 6, BATCH + 6)]
    items = [item for batch in batches for item in batch]
    assert [item.chunk.ordinal for item in items] == list(range(BATCH + 6))
    for item in items:
        assert np.array_equal(item.dense, WordsEmbedder().embed_texts([item.chunk.text])[0].astype(np.float16))


def test_nothing_is_embedded_before_it_is_asked_for():
    embedder = WordsEmbedder()
    batches = embed(chunks(BATCH * 3), "Title", embedder)
    next(batches)
    assert len(embedder.texts) == BATCH


def test_title_and_headings_are_in_the_sparse_vector_only():
    embedder = WordsEmbedder()
    ((item,),) = embed([Chunk(0, "text", 0, 4, None, ("Heading",), 1)], "Title", embedder)
    assert embedder.texts == ["text"]
    assert item.sparse == encode_chunk("Title Heading text")


def test_a_document_of_invisible_characters_is_refused():
    parsed = ParsedDocument((Element("text", "\u200b\u200b\ufeff"),))
    with pytest.raises(ParsingFailed, match="No readable text"):
        prepare(parsed, "ghost.txt", SETTINGS, WordsEmbedder())


def test_the_fingerprint_changes_with_the_settings_alone():
    assert fingerprint(SETTINGS) == fingerprint(PipelineSettings())
    assert fingerprint(SETTINGS) != fingerprint(PipelineSettings(chunk_tokens=128))
    assert fingerprint(SETTINGS) != fingerprint(PipelineSettings(embedder="other"))


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
PARSED = st.builds(
    ParsedDocument,
    elements=st.lists(
        st.builds(
            Element,
            kind=st.sampled_from(["title", "heading", "text", "list_item", "table", "code"]),
            text=TEXT,
            page=st.one_of(st.none(), st.integers(1, 9)),
            level=st.integers(0, 6),
            rows=st.lists(st.lists(TEXT, max_size=3).map(tuple), max_size=3).map(tuple),
        ),
        max_size=6,
    ).map(tuple),
    title=TEXT,
    pages=st.one_of(st.none(), st.integers(1, 9)),
    warnings=st.lists(TEXT, max_size=2).map(tuple),
)


@settings(deadline=None)
@given(PARSED)
def test_what_is_written_down_is_read_back_equal(parsed):
    assert load_parsed(dump_parsed(parsed)) == parsed
    if any(element.text.strip() for element in parsed.elements):
        try:
            canonical = prepare(parsed, "f.txt", SETTINGS, WordsEmbedder()).canonical
        except ParsingFailed:
            return
        assert load_canonical(dump_canonical(canonical)) == canonical


def test_half_a_surrogate_pair_does_not_break_writing():
    parsed = ParsedDocument((Element("text", "a\ud800b"),))
    assert load_parsed(dump_parsed(parsed)).elements[0].text == "a?b"
