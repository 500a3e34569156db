"""Results of earlier runs, read back from their JSON and set beside each other."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from evaluation.json_lines import as_object, read_text
from evaluation.records import AnswerOutcome, ArmOutcomes, Evaluation, Outcome, Question
from evaluation.report import FORMAT
from moat.errors import InvalidRequest

_MONEY = {field.name for field in fields(AnswerOutcome) if field.name.endswith("_usd")}


def read_run(path: Path) -> Evaluation:
    """Read the JSON that a run wrote; it holds no texts, so a digest stands for that of a question."""
    try:
        kept = as_object(json.loads(read_text(path)), str(path))
        if kept.get("format") != FORMAT:
            raise InvalidRequest(
                f"{path} is of format {kept.get('format')!r}, not {FORMAT}.", "Run it again with this version."
            )
        questions = tuple(_question(asked) for asked in kept["asked"])
        rows = tuple(
            ArmOutcomes(arm, tuple(_outcome(row) for row in outcomes), kept["searched"][arm])
            for arm, outcomes in kept["per_question"].items()
        )
    except json.JSONDecodeError as error:
        raise InvalidRequest(f"{path}, line {error.lineno}: not JSON ({error.msg}).", _HINT) from None
    except (KeyError, TypeError, ArithmeticError) as error:
        raise InvalidRequest(f"{path} does not hold a run's results ({error!r}).", _HINT) from None
    return Evaluation(questions, rows, tuple(kept["notes"]))


_HINT = "Give a file that 'moat evaluate … --out FILE.json' wrote."


def side_by_side(first: tuple[str, Evaluation], other: tuple[str, Evaluation]) -> Evaluation:
    """Set two runs beside each other over the questions that both asked, and compare each arm with its namesake.

    Where no arm has a namesake, as after a change of models, each of the first run is compared with each of the other.
    """
    shared = [question for question in first[1].questions if question in other[1].questions]
    if not shared:
        raise InvalidRequest("The two runs have no question in common.", "Compare runs over the same question file.")
    ids = [question.id for question in shared]
    rows = [_renamed(row, name, ids) for name, run in (first, other) for row in run.arms]
    mine, theirs = ([row.arm for row in run.arms] for _name, run in (first, other))
    matched = [(arm, arm) for arm in mine if arm in theirs] or [(one, two) for one in mine for two in theirs]
    return Evaluation(
        tuple(shared),
        tuple(rows),
        tuple(_notes(first, other, len(shared))),
        tuple((f"{first[0]}: {one}", f"{other[0]}: {two}") for one, two in matched),
    )


def _renamed(row: ArmOutcomes, run: str, ids: Sequence[str]) -> ArmOutcomes:
    by_id = {outcome.question_id: outcome for outcome in row.outcomes}
    return replace(row, arm=f"{run}: {row.arm}", outcomes=tuple(by_id[id_] for id_ in ids))


def _notes(first: tuple[str, Evaluation], other: tuple[str, Evaluation], shared: int) -> list[str]:
    notes = [f"{name}: {note}" for name, run in (first, other) for note in run.notes]
    left_out = [
        f"{len(run.questions) - shared} of {name}" for name, run in (first, other) if len(run.questions) > shared
    ]
    return notes + (
        [f"Left out, since the other run did not ask them alike: {', '.join(left_out)}."] if left_out else []
    )


def _question(asked: Mapping[str, Any]) -> Question:
    return Question(
        id=asked["id"],
        text=asked["digest"],
        # Which file it was is not kept; its ending is all that the tables need.
        relevant={f"file.{asked['format']}" if asked["format"] else "file": 1} if asked["file"] else {},
        sentence="(not kept)" if asked["sentence"] else None,
        answerable=asked["answerable"],
        corpus=asked["corpus"],
        kind=asked["kind"],
    )


def _outcome(row: Mapping[str, Any]) -> Outcome:
    answer = row["answer"]
    if answer is None:
        return Outcome(**row)
    money = {name: Decimal(answer[name]) for name in _MONEY}
    return Outcome(**{**row, "answer": AnswerOutcome(**{**answer, **money})})
