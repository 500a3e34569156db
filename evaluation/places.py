"""Which corpus each question's file lies in, so that results can be told apart by corpus."""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import quote

from evaluation.client import Client, items
from evaluation.records import Question


def with_corpora(client: Client, questions: Sequence[Question], corpora: Sequence[str]) -> tuple[Question, ...]:
    """Label each question that has no corpus with that of its file; unlabelled where it is not uploaded.

    No corpora: all that the key may read. A key that stands in two corpora counts to the first.
    """
    wanted = {key for question in questions if not question.corpus for key in question.relevant}
    places = _places(client, list(corpora) or _names(client), wanted) if wanted else {}
    return tuple(
        question
        if question.corpus
        else replace(question, corpus=next((places[key] for key in question.relevant if key in places), ""))
        for question in questions
    )


def _names(client: Client) -> list[str]:
    """Name all corpora, or none where there is one alone: nothing is to be told apart then."""
    names = [corpus["name"] for corpus in items(client, "/v1/corpora")]
    return names if len(names) > 1 else []


def _places(client: Client, corpora: Sequence[str], wanted: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for corpus in corpora:
        for document in items(client, f"/v1/corpora/{quote(corpus, safe='')}/documents"):
            if document["key"] in wanted:
                found.setdefault(document["key"], corpus)
            if len(found) == len(wanted):
                return found
    return found
