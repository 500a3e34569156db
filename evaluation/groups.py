"""The same scores for each format, corpus and kind of question."""

from collections.abc import Callable, Mapping

from evaluation.records import Evaluation, Question
from evaluation.scores import ArmScores, arm_scores

NOTHING_ANSWERS = "(nothing answers)"
UNLABELLED = "(not stated)"
DIMENSIONS: Mapping[str, Callable[[Question], str]] = {
    "format": lambda question: question.format if question.relevant else NOTHING_ANSWERS,
    "corpus": lambda question: question.corpus,
    "kind": lambda question: question.kind,
}

Groups = Mapping[str, Mapping[str, tuple[int, tuple[ArmScores, ...]]]]


def groups(evaluation: Evaluation) -> Groups:
    """Give, for each dimension that tells questions apart, each group's count and scores; the largest group first."""
    found = {name: _groups(evaluation, label) for name, label in DIMENSIONS.items()}
    return {name: those for name, those in found.items() if len(those) > 1}


def _groups(evaluation: Evaluation, label: Callable[[Question], str]) -> dict[str, tuple[int, tuple[ArmScores, ...]]]:
    ids: dict[str, list[str]] = {}
    for question in evaluation.questions:
        ids.setdefault(label(question) or UNLABELLED, []).append(question.id)
    ordered = sorted(ids.items(), key=lambda group: (-len(group[1]), group[0]))
    return {name: (len(those), arm_scores(evaluation, frozenset(those))) for name, those in ordered}
