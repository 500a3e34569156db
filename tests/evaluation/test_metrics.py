"""Every measure against numbers worked out by hand; the arithmetic stands beside each."""

import math

import pytest

from evaluation.metrics import (
    abstention,
    distinct,
    first_rank,
    hit,
    mean,
    ndcg,
    percentile,
    reciprocal_rank,
    sentence_rank,
    sentence_together,
)


def test_files_are_ranked_once_in_the_order_of_their_first_passage() -> None:
    assert distinct(["b", "a", "b", "c", "a"]) == ("b", "a", "c")


def test_first_rank_counts_from_one_and_is_none_when_nothing_relevant_is_there() -> None:
    assert first_rank(["x", "y", "gold", "gold2"], {"gold2", "gold"}) == 3
    assert first_rank(["x", "y"], {"gold"}) is None


@pytest.mark.parametrize(
    ("rank", "k", "expected"), [(1, 1, 1.0), (2, 1, 0.0), (5, 5, 1.0), (6, 5, 0.0), (10, 10, 1.0), (None, 10, 0.0)]
)
def test_a_hit_is_a_rank_of_at_most_k(rank: int | None, k: int, expected: float) -> None:
    assert hit(rank, k) == expected


def test_mrr_at_ten_of_four_questions() -> None:
    # ranks 1, 4, none, 11: (1 + 1/4 + 0 + 0) / 4 = 0.3125; rank 11 is beyond ten
    assert mean(reciprocal_rank(rank) for rank in (1, 4, None, 11)) == 0.3125


def test_ndcg_uses_the_grade_itself_as_gain() -> None:
    # ranked: b (1), x (0), a (3); judged a 3, b 1, c 2
    # DCG  = 1/log2(2) + 0/log2(3) + 3/log2(4) = 1 + 0 + 1.5 = 2.5
    # IDCG = 3/log2(2) + 2/log2(3) + 1/log2(4) = 3 + 1.261860 + 0.5 = 4.761860
    # 2.5 / 4.761860 = 0.525005; with gains 2^grade - 1 it would be (1 + 3.5) / (7 + 1.892789 + 0.5) = 0.479
    assert ndcg(["b", "x", "a"], {"a": 3, "b": 1, "c": 2}) == pytest.approx(0.525005, abs=1e-6)


def test_ndcg_of_the_ideal_order_is_one_and_of_nothing_relevant_zero() -> None:
    assert ndcg(["a", "c", "b", "x"], {"a": 3, "b": 1, "c": 2}) == pytest.approx(1.0)
    assert ndcg(["x", "y"], {"a": 3}) == 0.0
    assert ndcg(["a"], {}) == 0.0


def test_ndcg_looks_at_ten_files_and_its_ideal_has_at_most_ten() -> None:
    twelve = {f"d{number}": 1 for number in range(12)}
    # Twelve are relevant and the first ten are all of them: nothing better fits into ten places.
    assert ndcg([f"d{number}" for number in range(10)], twelve) == pytest.approx(1.0)
    # The only relevant one stands at rank 11.
    assert ndcg([*(f"x{number}" for number in range(10)), "a"], {"a": 1}) == 0.0


def test_ndcg_of_binary_judgments() -> None:
    # relevant at ranks 2 and 3 of two: (1/log2(3) + 1/log2(4)) / (1 + 1/log2(3)) = (0.630930 + 0.5) / 1.630930
    assert ndcg(["x", "a", "b"], {"a": 1, "b": 1}) == pytest.approx((1 / math.log2(3) + 0.5) / (1 + 1 / math.log2(3)))
    assert ndcg(["x", "a", "b"], {"a": 1, "b": 1}) == pytest.approx(0.693426, abs=1e-6)


# Seven words, so five 3-grams: "one two three", "two three four", "three four five", "four five six", "five six seven".
SENTENCE = "One two, three four five six seven."


def test_a_passage_carries_a_sentence_from_sixty_percent_of_its_three_grams() -> None:
    three_of_five = "one two three four five"  # 3 / 5 = 0.6
    two_of_five = "one two three four"  # 2 / 5 = 0.4
    assert sentence_rank(SENTENCE, [two_of_five, three_of_five]) == 2
    assert sentence_rank(SENTENCE, [two_of_five]) is None


def test_grams_spread_over_passages_count_only_together() -> None:
    halves = ["one two three four", "four five six seven"]  # 2 / 5 and 2 / 5; together 4 / 5
    assert sentence_rank(SENTENCE, halves) is None
    assert sentence_together(SENTENCE, halves)
    assert not sentence_together(SENTENCE, halves[:1])
    assert not sentence_together(SENTENCE, [])


def test_case_punctuation_and_markdown_links_do_not_hide_a_sentence() -> None:
    assert sentence_rank("See [the travel policy](../travel.md) first.", ["SEE the travel-policy first"]) == 1


def test_a_sentence_of_two_words_is_one_gram_that_a_longer_passage_does_not_hold() -> None:
    assert sentence_rank("Thirty days", ["thirty days"]) == 1
    assert sentence_rank("Thirty days", ["it is thirty days"]) is None


def test_sentences_in_other_alphabets_are_measured_too() -> None:
    assert sentence_rank("Отпуск длится тридцать дней", ["… отпуск длится тридцать дней …"]) == 1
    assert sentence_rank("Отпуск длится тридцать дней", ["совсем другой текст здесь"]) is None


def test_abstention_is_scored_as_a_detector_of_unanswerable_questions() -> None:
    # (answerable, abstained): two rightly, one wrongly, two missed, three rightly answered
    pairs = [(False, True)] * 2 + [(True, True)] + [(False, False)] * 2 + [(True, False)] * 3
    scored = abstention(pairs)
    assert (scored.rightly, scored.wrongly, scored.missed) == (2, 1, 2)
    assert scored.precision == pytest.approx(2 / 3)  # of 3 that abstained, 2 had no answer
    assert scored.recall == pytest.approx(2 / 4)  # of 4 without an answer, 2 abstained


def test_abstention_over_nothing_has_no_ratio() -> None:
    scored = abstention([(True, False)])
    assert scored.precision is None
    assert scored.recall is None


def test_percentiles_are_nearest_rank() -> None:
    values = [40.0, 10.0, 30.0, 20.0]
    assert percentile(values, 50) == 20.0  # ceil(0.50 * 4) = 2nd smallest
    assert percentile(values, 95) == 40.0  # ceil(0.95 * 4) = ceil(3.8) = 4th
    assert percentile([float(n) for n in range(1, 101)], 95) == 95.0  # ceil(95) = 95th of 1..100
    assert percentile([7.0], 50) == 7.0
    assert percentile([], 50) is None


def test_the_mean_of_nothing_is_none() -> None:
    assert mean([]) is None
