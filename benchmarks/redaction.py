"""Precision and recall of redaction, by type, on sentences whose personal data is marked.

python -m benchmarks.redaction [--misses]
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.sets import set_folder
from benchmarks.tables import number
from ingest.redact import find
from moat.errors import NotFound

# The set's names for what redaction finds; what it marks besides (names, places, ages...) has no fixed form.
TYPES = {
    "EMAIL_ADDRESS": "email",
    "CREDIT_CARD": "card",
    "IBAN_CODE": "iban",
    "US_SSN": "national_id",
    "IP_ADDRESS": "ip",
    "PHONE_NUMBER": "phone",
}
Spans = set[tuple[int, int]]


def main() -> None:
    """Print a table; a span counts as found when it covers at least nine tenths of the marked one, and no more."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--misses", action="store_true", help="show what was missed and what was masked in vain")
    options = parser.parse_args()
    try:
        folder = set_folder("pii_dev")
    except NotFound as error:
        sys.exit(f"{error.detail} {error.hint}")
    counts: Counter[tuple[str, str]] = Counter()
    for text, marked in _sentences(folder / "samples.jsonl"):
        found = find(text, TYPES.values())
        for kind in TYPES.values():
            ours = {(start, end) for start, end, type_ in found if type_ == kind}
            for outcome, spans in _compare(ours, marked.get(kind, set())).items():
                counts[kind, outcome] += len(spans)
                if options.misses and outcome != "right":
                    for start, end in spans:
                        print(f"{kind} {outcome}: {text[start:end]!r} in {text[max(0, start - 40) : end + 20]!r}")
    print("| type | marked | precision | recall |\n|---|---|---|---|")
    for kind in TYPES.values():
        right, missed, vain = (counts[kind, outcome] for outcome in ("right", "missed", "in vain"))
        precision, recall = right / max(1, right + vain), right / max(1, right + missed)
        print(f"| {kind} | {right + missed} | {number(precision)} | {number(recall)} |")


def _sentences(path: Path) -> Iterator[tuple[str, dict[str, Spans]]]:
    for line in path.read_text().splitlines():
        row = json.loads(line)
        marked: dict[str, Spans] = {}
        for span in row["spans"]:
            if span["type"] in TYPES:
                marked.setdefault(TYPES[span["type"]], set()).add((span["start"], span["end"]))
        yield row["text"], marked


def _compare(ours: Spans, marked: Spans) -> dict[str, Spans]:
    hits = {(mine, theirs) for mine in ours for theirs in marked if _covers(mine, theirs)}
    right = {theirs for _, theirs in hits}
    return {"right": right, "missed": marked - right, "in vain": ours - {mine for mine, _ in hits}}


def _covers(mine: tuple[int, int], theirs: tuple[int, int]) -> bool:
    shared = min(mine[1], theirs[1]) - max(mine[0], theirs[0])
    return shared >= 0.9 * (theirs[1] - theirs[0]) and mine[1] - mine[0] <= 1.2 * (theirs[1] - theirs[0])


if __name__ == "__main__":
    main()
