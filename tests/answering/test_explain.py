"""An admin sees why a question is answered or not, and what of each passage is read."""

from answering.explain import ABSTAINED, READ, explain
from answering.query import Query
from answering.reading import read
from answering.retrieve import search
from moat.records import Reader
from moat.tables import Corpus
from tests.fakes.library import Library

TEXT = "Every employee gets 28 days of paid vacation each year.\n\nThe coffee machine is cleaned on Fridays."
QUESTION = "How many days of paid vacation does every employee get?"


def test_decision_its_grounds_and_each_passages_share_are_told(library: Library, reader: Reader) -> None:
    library.add(library.corpus("hr"), "handbook.md", TEXT)
    query = Query(QUESTION)
    found = search(query, reader, library.parts)
    told = explain(read(query, found, "extractive", library.parts))
    assert told.answers
    assert told.likeliness is not None
    assert told.threshold is not None
    assert told.likeliness >= told.threshold
    assert told.signals
    best = told.shares[0]
    assert (best.why, best.passage_id) == (READ, found.passages[0].passage_id)
    assert best.tokens > 0
    assert TEXT[slice(*best.spans[0])].startswith("Every employee")


def test_a_corpus_has_its_own_threshold(library: Library, reader: Reader) -> None:
    corpus = library.corpus("hr")
    library.add(corpus, "handbook.md", TEXT)
    with library.database.transaction() as session:
        session.get_one(Corpus, corpus).abstain_below = 1.0
    query = Query(QUESTION)
    told = explain(read(query, search(query, reader, library.parts), "extractive", library.parts))
    assert (told.answers, told.threshold) == (False, 1.0)
    assert {share.why for share in told.shares} == {ABSTAINED}
