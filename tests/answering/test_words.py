"""Function words are told apart from content in the languages that questions come in."""

import pytest

from answering.words import content_terms, language_of


@pytest.mark.parametrize(
    ("question", "language", "terms"),
    [
        ("How many days of leave do I get?", "en", ["day", "leav", "get"]),
        ("Wie viele Urlaubstage habe ich im Jahr?", "de", ["urlaubstag", "jahr"]),
        ("¿Cuántos días de vacaciones tengo?", "es", ["dias", "vacacion"]),
        ("Combien de jours de congé ai-je ?", "fr", ["jour", "cong"]),
        ("Quanti giorni di ferie ho?", "it", ["giorn", "fer"]),
        ("SELECT 1", "en", ["select", "1"]),
        ("what is it for", "en", []),
        ("🙂", "en", []),
        ("", "en", []),
    ],
)
def test_language_and_content(question: str, language: str, terms: list[str]) -> None:
    assert language_of(question) == language
    assert content_terms(question, language) == terms


def test_scripts_without_spaces_become_pairs() -> None:
    assert "假期" in content_terms("员工每年有多少天假期？")
    assert "多少" not in content_terms("员工每年有多少天假期？")
