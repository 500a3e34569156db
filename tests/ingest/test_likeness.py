"""Near-duplicates share a band and resemble each other; others do not; languages are told apart."""

import random

import pytest

from ingest.likeness import NEAR, likeness, resemblance

WORDS = [f"word{n}" for n in range(2000)]


def text(seed: int, words: int = 400) -> list[str]:
    return random.Random(seed).choices(WORDS, k=words)


def shingles(words: list[str]) -> set[tuple[str, ...]]:
    return {tuple(words[at : at + 5]) for at in range(len(words) - 4)}


@pytest.mark.parametrize("changed", [0, 1, 4, 10, 30, 100])
def test_the_resemblance_is_near_the_true_one(changed: int) -> None:
    for seed in range(5):
        one = text(seed)
        other = list(one)
        for at in random.Random(seed + 100).sample(range(len(one)), changed):
            other[at] = "changed"
        true = len(shingles(one) & shingles(other)) / len(shingles(one) | shingles(other))
        found = resemblance(likeness(" ".join(one)).signature, likeness(" ".join(other)).signature)
        assert found == pytest.approx(true, abs=0.15)


def test_near_duplicates_have_a_band_in_common_and_strangers_none() -> None:
    shared = strangers = 0
    for seed in range(40):
        one = text(seed)
        near = [*one[:200], "an", "added", "line", *one[200:]]
        a, b, c = (likeness(" ".join(words)) for words in (one, near, text(seed + 1000)))
        assert resemblance(a.signature, b.signature) >= NEAR
        shared += bool(set(a.bands()) & set(b.bands()))
        strangers += bool(set(a.bands()) & set(c.bands()))
    assert (shared, strangers) == (40, 0)


def test_the_signature_is_the_same_on_every_run_and_machine() -> None:
    found = likeness("The quick brown fox jumps over the lazy dog.")
    assert found.signature[:3].tolist() == [1140550005, 345016498, 1132083134]
    assert likeness("the QUICK brown\nfox jumps over the lazy dog.").bands() == found.bands()


def test_short_and_long_texts_have_one_too() -> None:
    assert likeness("Hi").signature.shape == likeness(" ".join(text(1, 20_000))).signature.shape


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "The annual leave policy applies to every employee of the company, also part time."),
        ("de", "Die Urlaubsregelung gilt für alle Beschäftigten des Unternehmens, auch in Teilzeit."),
        ("fr", "La politique de congés s'applique à tous les salariés de l'entreprise."),
        ("es", "La política de vacaciones se aplica a todos los empleados de la empresa."),
        ("zh", "年假政策适用于公司所有员工。"),
        ("", "10; 20.4; 17 % (3)"),
    ],
)
def test_the_language_is_told(language: str, words: str) -> None:
    assert likeness(words).language == language
