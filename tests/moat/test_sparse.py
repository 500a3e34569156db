"""Words are found in the form that their language gives them, in every script, and rare ones weigh as BM25 says."""

import pytest

from moat.sparse import encode_chunk, encode_question, name_words, terms


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("en", "holiday requests", "request holidays"),
        ("de", "die Häuser", "dem Haus"),
        ("es", "las canciones", "la canción"),
        ("ru", "договоры", "договора"),
        ("tr", "evler", "ev"),
        ("el", "συμβάσεις", "σύμβαση"),
    ],
)
def test_forms_of_a_word_meet_in_its_language(language: str, one: str, other: str) -> None:
    assert set(terms(one, language)) & set(terms(other, language))


@pytest.mark.parametrize(
    ("language", "text", "asked"),
    [
        ("zh", "黑豹队的防守只丢了 308 分", "防守"),
        ("ja", "東京タワーへ行く", "タワー"),
        ("th", "ประเทศไทย", "ไทย"),
        ("ko", "계약서를", "계약서"),
    ],
)
def test_scripts_without_spaces_are_found_by_pairs_of_characters(language: str, text: str, asked: str) -> None:
    assert set(terms(asked, language)) <= set(terms(text, language))


def test_a_name_joined_by_underscores_is_found_whole_and_by_its_parts() -> None:
    assert set(terms("Reset_DOT11_x")) == {"reset_dot11_x", "reset", "dot11", "x"}
    assert terms("__") == ["__"]


def test_accents_and_vowel_signs_belong_to_their_word() -> None:
    assert terms("e\u0301cole", "fr") == terms("école", "fr")
    assert len(terms("पैंथर्स", "hi")) == 1


def test_words_of_a_language_without_a_stemmer_stay_as_they_are() -> None:
    assert terms("Hợp đồng", "vi") == ["hợp", "đồng"]


def test_a_question_asks_in_the_form_of_every_language_searched() -> None:
    asked = encode_question("Häuser", ["de", "en"])
    for language in ("de", "en"):
        assert set(encode_chunk("Häuser", language).indices) <= set(asked.indices)
    repeated = encode_question("lamp lamp lamps").indices
    assert repeated.count(encode_question("lamp").indices[0]) == 1


def _finds(question: str, text: str) -> set[int]:
    return set(encode_question(question).indices) & set(encode_chunk(text).indices)


@pytest.mark.parametrize(
    ("question", "name", "shared"),
    [
        ("What did American Express earn in FY2022?", "AMERICANEXPRESS_2022_10K.pdf", 2),
        ("Johnson & Johnson, second quarter of 2023", "JOHNSON_JOHNSON_2023Q2_EARNINGS.pdf", 2),
        ("Where is the travel policy?", "travel-policy (final).docx", 2),
        ("What is a turbine?", "AMERICANEXPRESS_2022_10K.pdf", 0),
    ],
)
def test_a_question_finds_the_words_of_a_files_name(question: str, name: str, shared: int) -> None:
    assert len(_finds(question, name_words(name))) == shared


def test_the_words_of_a_long_text_are_not_put_together() -> None:
    words = [f"word{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(200)]
    assert len(encode_question(" ".join(words)).indices) == 200


def test_a_word_said_often_weighs_more_but_never_twice_as_much_again() -> None:
    weight = {n: max(encode_chunk("lamp " * n + "word " * (100 - n)).values) for n in (1, 50)}
    once = dict(zip(*_pairs("lamp " + "word " * 99), strict=True))[encode_question("lamp").indices[0]]
    assert 1 <= once < weight[50] < 2.2


def _pairs(text: str) -> tuple[tuple[int, ...], tuple[float, ...]]:
    sparse = encode_chunk(text)
    return sparse.indices, sparse.values
