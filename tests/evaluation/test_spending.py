"""A limit holds however many calls are under way."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from evaluation.spending import Spending, tariffs
from moat.errors import InvalidRequest

LISTED = [
    {"id": "a/x", "input_usd_per_million": "2", "output_usd_per_million": "10", "max_output_tokens": 800},
    {"id": "b/y", "input_usd_per_million": None, "output_usd_per_million": None, "max_output_tokens": 800},
]


def test_calls_side_by_side_never_pass_the_limit_together() -> None:
    spending = Spending(Decimal("1.00"))

    def call(_number: int) -> bool:
        if not spending.reserve(Decimal("0.03")):
            return False
        spending.settle(Decimal("0.03"), Decimal("0.03"))
        return True

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(call, range(100)))
    assert sum(made) == 33
    assert spending.spent_usd == Decimal("0.99")


def test_what_a_call_cost_less_is_there_for_the_next() -> None:
    spending = Spending(Decimal("0.10"))
    assert spending.reserve(Decimal("0.08"))
    assert not spending.reserve(Decimal("0.03"))
    spending.settle(Decimal("0.08"), Decimal("0.02"))
    assert spending.reserve(Decimal("0.08"))


def test_without_a_limit_everything_is_allowed() -> None:
    assert Spending(None).reserve(Decimal(10**9))


def test_the_most_a_call_can_cost_is_over_what_it_does_cost() -> None:
    found = tariffs(LISTED, ["a/x"])["a/x"]
    # 8,000 bytes are about 2,000 tokens; bounded at 4,000, with 1,500 of the prompt, and 800 written.
    assert found.most_usd(8_000) == (Decimal(5_500) * 2 + 800 * 10) / 1_000_000


@pytest.mark.parametrize(("name", "fact"), [("c/z", "no model 'c/z'"), ("b/y", "price of b/y is not known")])
def test_a_model_that_cannot_be_bounded_is_refused(name: str, fact: str) -> None:
    with pytest.raises(InvalidRequest, match=fact):
        tariffs(LISTED, [name])
