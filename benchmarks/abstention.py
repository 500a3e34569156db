"""How well Moat tells questions that its documents answer from those they do not, beside the best single scores.

python -m benchmarks.abstention [--set co300] [--found FILE] [--fit]

The model is fitted anew in each fold of a stratified cross-validation, so no question judges itself. `--fit` prints the
coefficients for answering/abstain.py, from all questions of all sets given.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from answering.abstain import MODEL, signals
from answering.evidence import Evidence, weigh
from benchmarks.found_passages import asked
from benchmarks.tables import number, table
from evaluation.bootstrap import SEED
from moat.embedder import Embedders
from moat.records import Passage
from moat.settings import EmbedderSettings, Settings

Array = NDArray[np.float64]
FOLDS, ROUNDS, RESAMPLES = 10, 10, 2_000
RIDGE = 3.0
# What retrieval says by itself; the others are made of sentences, weighed for this very purpose.
RETRIEVAL = ("sparse", "dense", "tokens", "fused")
FALSE_ABSTENTIONS = (0.02, 0.05, 0.1, 0.2, 0.3)


def main() -> None:
    """Print recall of unanswerable questions by the share of false abstentions, and the differences' intervals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", action="append", dest="sets", help="co300, co_dev or a folder of MOAT_DATA")
    parser.add_argument("--found", type=Path, default=Path("results"), help="folder that keeps what was found")
    parser.add_argument("--fit", action="store_true", help="print coefficients fitted to all questions")
    options = parser.parse_args()
    measured = {name: measure(name, options.found) for name in options.sets or ["co300", "mt_mtragun_dev"]}
    for name, (names, values, answerable) in measured.items():
        print(f"\n### {name}: {int(answerable.sum())} answerable, {int((~answerable).sum())} not\n")
        print(report(names, values, answerable))
    if options.fit:
        print(f"\n{coefficients(list(measured.values()))}")


def measure(name: str, found: Path) -> tuple[list[str], Array, NDArray[np.bool_]]:
    """Give the signals' names, their values (questions, signals), and which questions are answerable."""
    embedder = Embedders(EmbedderSettings()).get(Settings().embedder.default)
    rows, answerable = [], []
    for one in asked(name, found / f"found-{name}.json"):
        evidence = weigh(one.question.text, one.passages[: Settings().answering.passages], embedder)
        if evidence.weighed:
            rows.append(_measured(one.passages, evidence))
            answerable.append(one.question.answerable)
    names = list(rows[0])
    return names, np.array([[row[n] for n in names] for row in rows]), np.array(answerable)


def _measured(passages: Sequence[Passage], evidence: Evidence) -> dict[str, float]:
    """Give the model's signals, and behind them the scores of retrieval that a threshold could be set on."""
    best = {name: max((p.arms[name].score for p in passages if name in p.arms), default=0.0) for name in RETRIEVAL[1:]}
    return signals(passages, evidence) | best


def report(names: Sequence[str], values: Array, answerable: NDArray[np.bool_]) -> str:
    """Write one row for the model, one for each signal, and how much the model gains on the best of them."""
    model = cross_validated(values[:, : len(MODEL) - 1], answerable)
    singles = {"any score": range(len(names)), "a score of retrieval": [names.index(name) for name in RETRIEVAL]}
    body, gains = [_row("model, cross-validated", model, answerable)], []
    for of, among in singles.items():
        best = max(among, key=lambda n: area(values[:, n], answerable))
        single = cross_validated(values[:, [best]], answerable)
        body.append(_row(f"best single, {of}: {names[best]}", single, answerable))
        gain, low, high = difference(model, single, answerable)
        gains.append(f"Model − best single, {of} ({names[best]}), AUC: {gain:+.3f} [{low:+.3f}, {high:+.3f}]")
    body += [_row(name, values[:, n], answerable) for n, name in enumerate(names)]
    head = ["score", "AUC", *(f"recall at {share:.0%} false abstentions" for share in FALSE_ABSTENTIONS)]
    return "\n\n".join((table(head, body), *gains))


def _row(name: str, scores: Array, answerable: NDArray[np.bool_]) -> list[str]:
    recalls = [number(recall(scores, answerable, share)) for share in FALSE_ABSTENTIONS]
    return [name, f"{area(scores, answerable):.3f}", *recalls]


def area(scores: Array, answerable: NDArray[np.bool_]) -> float:
    """Give the share of pairs in which the answerable question has the higher score."""
    yes, no = scores[answerable][:, None], scores[~answerable]
    return float((yes > no).mean() + (yes == no).mean() / 2)


def recall(scores: Array, answerable: NDArray[np.bool_], false_abstentions: float) -> float:
    """Give the share of unanswerable questions below the threshold that so many answerable ones are below too."""
    threshold = np.quantile(scores[answerable], false_abstentions)
    return float((scores[~answerable] < threshold).mean())


def difference(one: Array, other: Array, answerable: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Give the difference of two areas with its 95 % interval, from a paired bootstrap within both kinds."""
    draw = np.random.default_rng(SEED)
    yes, no = np.flatnonzero(answerable), np.flatnonzero(~answerable)
    found = []
    for _ in range(RESAMPLES):
        picked = np.concatenate([draw.choice(yes, len(yes)), draw.choice(no, len(no))])
        found.append(area(one[picked], answerable[picked]) - area(other[picked], answerable[picked]))
    low, high = np.quantile(found, [0.025, 0.975])
    return area(one, answerable) - area(other, answerable), float(low), float(high)


def cross_validated(values: Array, answerable: NDArray[np.bool_]) -> Array:
    """Score each question by models that were fitted without it; the mean over several divisions into folds."""
    total = np.zeros(len(answerable))
    for round_ in range(ROUNDS):
        draw = np.random.default_rng(SEED + round_)
        fold = np.empty(len(answerable), int)
        for kind in (True, False):
            members = np.flatnonzero(answerable == kind)
            fold[draw.permutation(members)] = np.arange(len(members)) % FOLDS
        for held in range(FOLDS):
            weights = fitted(values[fold != held], answerable[fold != held])
            total[fold == held] += likeliness(values[fold == held], weights)
    return total / ROUNDS


def fitted(values: Array, answerable: NDArray[np.bool_]) -> Array:
    """Fit a logistic model to raw signals, both kinds weighing the same, by Newton's method; the base comes first."""
    mean, spread = values.mean(0), values.std(0) + 1e-9
    given = np.c_[np.ones(len(values)), (values - mean) / spread]
    ridge = RIDGE * np.eye(given.shape[1])
    ridge[0, 0] = 0
    weight = np.where(answerable, 0.5 / answerable.mean(), 0.5 / (1 - answerable.mean()))
    weights = np.zeros(given.shape[1])
    for _ in range(50):
        guess = 1 / (1 + np.exp(-given @ weights))
        slope = given.T @ (weight * (guess - answerable)) + ridge @ weights
        weights -= np.linalg.solve(given.T @ (given * (weight * guess * (1 - guess))[:, None]) + ridge, slope)
    raw = weights[1:] / spread
    return np.concatenate([[weights[0] - raw @ mean], raw])


def likeliness(values: Array, weights: Array) -> Array:
    """Apply a model to raw signals."""
    return np.asarray(1 / (1 + np.exp(-(weights[0] + values @ weights[1:]))))


def coefficients(measured: Sequence[tuple[list[str], Array, NDArray[np.bool_]]]) -> str:
    """Fit one model to all sets and write it as it stands in the code."""
    names = measured[0][0][: len(MODEL) - 1]
    values = np.concatenate([values[:, : len(names)] for _, values, _ in measured])
    answerable = np.concatenate([answerable for _, _, answerable in measured])
    weights = fitted(values, answerable)
    return "\n".join(f'    "{name}": {weight:.3f},' for name, weight in zip(["base", *names], weights, strict=True))


if __name__ == "__main__":
    main()
