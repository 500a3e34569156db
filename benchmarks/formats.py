"""How much of the expected text the parsers find, format by format, beside plain unstructured.

python -m benchmarks.formats [--data DIR] [--out FILE] [--worst N]
"""

import argparse
import json
import logging
import os
import re
import sys
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean

from benchmarks.tables import number, table
from ingest.parse import light_nlp
from ingest.sandbox import Sandbox
from moat.errors import MoatError
from moat.media import sniff
from moat.records import ParsedDocument
from moat.settings import SandboxSettings

_WORD = re.compile(r"\w+")
_LINK = re.compile(r"\]\([^)]*\)|<!--.*?-->|<[^>]*>|data:image\S*", re.S)
_SNIFFED_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Score:
    """Word recall of one file, 0 to 1; None where plain unstructured cannot read it here."""

    file: str
    format: str
    ours: float
    theirs: float | None
    problem: str


def main() -> None:
    """Score every file that has an expected text, print the table by format and the worst files."""
    options = _options()
    logging.getLogger("unstructured").setLevel(logging.CRITICAL)
    pairs = [json.loads(line) for line in (options.data / "pairs.jsonl").read_text(encoding="utf-8").splitlines()]
    sandbox = Sandbox(SandboxSettings())
    try:
        scores = [_score(options.data, pair, sandbox) for pair in pairs]
    finally:
        sandbox.close()
    if options.out:
        options.out.write_text(json.dumps([asdict(score) for score in scores], indent=1) + "\n", encoding="utf-8")
    print(to_markdown(scores))
    for score in sorted(scores, key=lambda score: score.ours)[: options.worst]:
        print(f"{score.ours:.2f} {score.file} {score.problem}")


def to_markdown(scores: list[Score]) -> str:
    """Write one row a format, and the mean over the files that each could be asked for."""
    by_format: dict[str, list[Score]] = defaultdict(list)
    for score in scores:
        by_format[score.format].append(score)
    rows = [(name, *_means(found)) for name, found in sorted(by_format.items())]
    rows.append(("all files", *_means(scores)))
    return table(("format", "files", "Moat", "unstructured", "files it reads"), rows)


def recall(expected: str, found: str) -> float:
    """Give the share of the expected words that were found, each counted as often as it is expected."""
    wanted, have = _words(_LINK.sub(" ", expected)), _words(found)
    return sum((wanted & have).values()) / max(sum(wanted.values()), 1)


def _words(text: str) -> Counter[str]:
    return Counter(word.lower() for word in _WORD.findall(text.replace("_", " ")))


def _means(scores: list[Score]) -> tuple[str, str, str, str]:
    theirs = [score.theirs for score in scores if score.theirs is not None]
    ours = number(mean(score.ours for score in scores))
    return str(len(scores)), ours, number(mean(theirs) if theirs else None), str(len(theirs))


def _score(data: Path, pair: dict[str, str], sandbox: Sandbox) -> Score:
    path = data / pair["file"]
    expected = (data / pair["expected_md"]).read_text(encoding="utf-8")
    with path.open("rb") as file:
        head = file.read(_SNIFFED_BYTES)
    ours, problem = 0.0, ""
    try:
        ours = recall(expected, _flat(sandbox.parse(path, sniff(head, path, path.name), path.name)))
    except MoatError as error:
        problem = f"{error.detail} {error.hint}"
    theirs = _plain_unstructured(path)
    plain = None if theirs is None else recall(expected, theirs)
    return Score(pair["file"], path.suffix.lstrip(".").lower(), ours, plain, problem)


def _flat(parsed: ParsedDocument) -> str:
    parts = [parsed.title]
    for element in parsed.elements:
        parts += [element.text, *(cell for row in element.rows for cell in row)]
    return "\n".join(parts)


def _plain_unstructured(path: Path) -> str | None:
    """Give what it reads with its defaults and without its PDF extra, or None where it cannot."""
    light_nlp.install()  # the tagger only names an element's kind; the text is the same
    from unstructured.partition.auto import partition

    try:
        return "\n".join(str(element) for element in partition(str(path)))
    except Exception as error:  # noqa: BLE001  # whatever a format lacks: an extra, a program, a known type
        sys.stderr.write(f"unstructured cannot read {path.name}: {type(error).__name__}\n")
        return None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(os.environ.get("MOAT_DATA", "")) / "fmt_dev"
    parser.add_argument(
        "--data", type=Path, default=default, help="folder with pairs.jsonl; MOAT_DATA/fmt_dev otherwise"
    )
    parser.add_argument("--out", type=Path, help="JSON of every file's score")
    parser.add_argument("--worst", type=int, default=0, help="list this many of the files with the lowest recall")
    options = parser.parse_args()
    if not (options.data / "pairs.jsonl").exists():
        parser.error(f"{options.data} holds no pairs.jsonl; set MOAT_DATA or give --data")
    return options


if __name__ == "__main__":
    main()
