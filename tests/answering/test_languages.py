"""A corpus's languages are those of its documents, and a question's is told among them."""

from uuid import UUID

import pytest

from answering.languages import KEPT_S, CorpusLanguages, language_of
from moat.tables import LikenessRow
from tests.fakes.library import Library


def written(library: Library, corpus: UUID, language: str, count: int) -> None:
    for number in range(count):
        document = library.add(corpus, f"{language}{number}.md", f"text {number}")
        with library.database.transaction() as session:
            session.add(LikenessRow(document_id=document, version=1, language=language, signature=b""))


def test_the_commonest_language_comes_first_and_rare_ones_are_left_out(library: Library) -> None:
    one, other = library.corpus("one"), library.corpus("other")
    written(library, one, "de", 40)
    written(library, one, "en", 20)
    written(library, one, "la", 1)
    written(library, other, "fr", 1)
    languages = CorpusLanguages()
    assert languages.of([one], library.database) == ("de", "en")
    assert languages.of([one, other], library.database) == ("de", "en", "fr")


def test_a_corpus_of_which_nothing_is_known_is_taken_for_english(library: Library) -> None:
    assert CorpusLanguages().of([library.corpus("new")], library.database) == ("en",)
    assert CorpusLanguages().of([], library.database) == ("en",)


def test_languages_are_counted_again_after_a_while(library: Library) -> None:
    corpus, now = library.corpus("plans"), [0.0]
    languages = CorpusLanguages(lambda: now[0])
    assert languages.of([corpus], library.database) == ("en",)
    written(library, corpus, "es", 1)
    assert languages.of([corpus], library.database) == ("es",)
    written(library, corpus, "de", 2)
    assert languages.of([corpus], library.database) == ("es",)
    now[0] = KEPT_S + 1
    assert languages.of([corpus], library.database) == ("de", "es")


@pytest.mark.parametrize(
    ("question", "languages", "expected"),
    [
        ("Wie viele Tage Urlaub habe ich im Jahr?", ("en", "de"), "de"),
        ("How many days of leave do I have?", ("en", "de"), "en"),
        ("¿Cuántos días de vacaciones tengo al año?", ("en", "de"), "en"),
        ("Qqq zzz", ("de", "en"), "de"),
        ("Urlaub", ("de",), "de"),
    ],
)
def test_a_questions_language_is_told_among_the_corpus_languages(
    question: str, languages: tuple[str, ...], expected: str
) -> None:
    assert language_of(question, languages) == expected
