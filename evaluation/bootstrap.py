"""How sure a difference between two arms is, from a seeded paired bootstrap over the questions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

RESAMPLES = 10_000
SEED = 20_240_601
DRAWS_AT_ONCE = 1_000_000  # numbers held in memory, 8 MB


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean of the paired differences with its 95 % percentile interval; `sure` when that excludes 0."""

    mean: float
    low: float
    high: float

    @property
    def sure(self) -> bool:
        return self.low > 0 or self.high < 0


def paired_difference(
    first: Sequence[float], other: Sequence[float], *, seed: int = SEED, resamples: int = RESAMPLES
) -> Difference:
    """Give first minus other, question by question; the same seed gives the same interval.

    Questions, not measurements, are drawn with replacement, so that what makes a question hard for both arms cancels.
    Drawing n questions is drawing how often each of the few different values comes up, which is much faster.
    """
    return _difference(tuple(one - two for one, two in zip(first, other, strict=True)), seed, resamples)


@lru_cache(maxsize=1024)  # every form of a report asks for the same ones
def _difference(differences: tuple[float, ...], seed: int, resamples: int) -> Difference:
    count = len(differences)
    if not count:
        raise ValueError("a difference needs at least one question")
    values, times = np.unique(np.array(differences), return_counts=True)
    draw = np.random.default_rng(seed)
    at_once = max(1, DRAWS_AT_ONCE // len(values))
    sizes = (min(at_once, resamples - start) for start in range(0, resamples, at_once))
    drawn = [draw.multinomial(count, times / count, size=size) @ values / count for size in sizes]
    means = np.sort(np.concatenate(drawn))
    low, high = (float(means[math.ceil(share * resamples) - 1]) for share in (0.025, 0.975))
    return Difference(mean=math.fsum(differences) / count, low=low, high=high)
