"""The paired bootstrap against cases whose interval is known without drawing."""

import pytest

from evaluation.bootstrap import paired_difference


def test_a_constant_difference_has_an_interval_of_one_point() -> None:
    # Every difference is 0.5, so is every resample's mean.
    difference = paired_difference([1.0, 0.5, 0.75], [0.5, 0.0, 0.25])
    assert (difference.mean, difference.low, difference.high) == (0.5, 0.5, 0.5)
    assert difference.sure


def test_equal_arms_differ_by_nothing_for_sure_not() -> None:
    difference = paired_difference([1.0, 0.0], [1.0, 0.0])
    assert (difference.mean, difference.low, difference.high) == (0.0, 0.0, 0.0)
    assert not difference.sure


def test_the_interval_is_that_of_the_binomial() -> None:
    # 100 differences, 50 of them 1 and 50 of them 0: a resample's mean is Binomial(100, 0.5) / 100,
    # standard deviation sqrt(0.25 / 100) = 0.05; its 2.5 % and 97.5 % quantiles are 0.40 and 0.60.
    difference = paired_difference([1.0] * 50 + [0.0] * 50, [0.0] * 100)
    assert difference.mean == 0.5
    assert difference.low == pytest.approx(0.40, abs=0.011)
    assert difference.high == pytest.approx(0.60, abs=0.011)
    assert difference.sure


def test_the_sign_says_whether_the_first_is_better() -> None:
    assert paired_difference([0.0, 0.0], [1.0, 1.0]).mean == -1.0
    assert paired_difference([0.0, 0.0], [1.0, 1.0]).sure


def test_the_same_seed_gives_the_same_interval_and_another_may_not() -> None:
    first, other = [0.1 * (n % 7) for n in range(40)], [0.1 * (n % 5) for n in range(40)]
    once = paired_difference(first, other, seed=1, resamples=200)
    assert once == paired_difference(first, other, seed=1, resamples=200)
    assert once != paired_difference(first, other, seed=2, resamples=200)


def test_arms_that_answered_different_numbers_of_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        paired_difference([1.0, 0.0], [1.0])
    with pytest.raises(ValueError, match="at least one question"):
        paired_difference([], [])
