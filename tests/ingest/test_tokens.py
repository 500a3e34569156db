"""Word pieces counted by words: the same as the tokenizer's own of the whole text."""

import random
from bisect import bisect_left
from collections.abc import Iterator

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from ingest import tokens
from ingest.tokens import TokenMap
from moat.word_tokenizers import words_stand_alone
from tests.fakes.embedder import WordsEmbedder

VOCABULARY = ["[UNK]", "[SEP]", *"abeü.,-1中文u", "##a", "##b", "ab", "##e", "##1"]
# White space of every kind, what a tokenizer removes, what it takes apart, and words too long for it.
PARTS = ["a", "b", "ab", "aab", "é", "e\u0301", ".", ",", "-", "1", "中文", "中" * 70, "ü", "[SEP]", "[UNK]", "zz", "ﬁ"]
SPACES = [*" \t\n\r\u00a0\u2003\u3000\u200b\u00ad\x00\x1c\x85\x0b\ufeff", "  ", ""]


def tokenizer() -> Tokenizer:
    made = Tokenizer(models.WordPiece({piece: at for at, piece in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.add_special_tokens(["[UNK]", "[SEP]"])
    return made


class Bert(WordsEmbedder):
    def __init__(self, words_stand_alone: bool) -> None:
        super().__init__()
        self.words_stand_alone = words_stand_alone
        self.read: list[str] = []
        self._tokenizer = tokenizer()

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        self.read.append(text)
        return self._tokenizer.encode(text, add_special_tokens=False).offsets


def texts(seed: int, number: int) -> Iterator[str]:
    chosen = random.Random(seed)
    for _ in range(number):
        yield "".join(chosen.choice(PARTS) + chosen.choice(SPACES) for _ in range(chosen.randint(0, 40)))


@pytest.mark.parametrize("kept", [100_000, 20])
def test_words_give_what_the_whole_text_gives(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_KNOWN_AT_MOST", kept)
    monkeypatch.setattr(tokens, "_WINDOW", 200)
    by_words, by_windows, chosen = Bert(True), Bert(False), random.Random(2)
    for text in ["", " \n", *texts(seed=1, number=500)]:
        one, other = TokenMap(text, by_words), TokenMap(text, by_windows)
        places = sorted(chosen.randint(0, len(text)) for _ in range(20))
        assert [one.count(0, at) for at in places] == [other.count(0, at) for at in places], text
        for at in places[:5]:
            limit = chosen.randint(0, 20)
            assert one.reach(at, limit) == other.reach(at, limit), text


def test_windows_give_the_tokenizers_own_pieces() -> None:
    embedder = Bert(False)
    for text in texts(seed=3, number=200):
        starts = [start for start, stop in embedder.token_spans(text) if stop - start < 60]
        if any(stop - start >= 60 for start, stop in embedder.token_spans(text)):
            continue
        found = TokenMap(text, embedder)
        assert [found.count(0, at) for at in range(len(text) + 1)] == [
            bisect_left(starts, at) for at in range(len(text) + 1)
        ]


def test_a_word_too_long_for_the_tokenizer_counts_by_its_length() -> None:
    for embedder in (Bert(True), Bert(False)):
        found = TokenMap("a " + "b" * 300 + " a", embedder)
        assert found.count(0, 304) == 2 + 50 + 100
        assert found.reach(2, 10) == 42


def test_a_word_that_is_known_is_not_encoded_again() -> None:
    embedder = Bert(True)
    assert TokenMap("ab aab\nab", embedder).count(0, 9) == 5
    embedder.read.clear()
    assert TokenMap("aab  aab ab", embedder).count(0, 11) == 7
    assert embedder.read == []


def test_only_words_of_berts_kind_stand_alone() -> None:
    bert, other = tokenizer(), tokenizer()
    other.pre_tokenizer = pre_tokenizers.Metaspace()
    assert words_stand_alone(bert)
    assert not words_stand_alone(other)
