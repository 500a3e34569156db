"""How much of the expected text the parsers find, format by format, beside plain unstructured.

python -m benchmarks.formats [--data DIR] [--out FILE] [--worst N] [--unstructured PYTHON]

Plain unstructured runs in a process of its own. Its PDF extra must never enter Moat's environment; to let it read PDFs
too, name the interpreter of an environment made for it alone:

    python3.11 -m venv /elsewhere/unstructured
    /elsewhere/unstructured/bin/pip install -c constraints.txt "unstructured[all-docs]"
"""

import argparse
import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean

from benchmarks.tables import number, table
from benchmarks.workload import data_folder
from ingest.sandbox import Sandbox
from moat.errors import MoatError
from moat.media import sniff
from moat.records import ParsedDocument
from moat.settings import SandboxSettings

_WORD = re.compile(r"\d+|[^\W\d_]+")  # `CO2`, whose markup may part its 2, is two words wherever it is read
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


class PlainUnstructured:
    """Plain unstructured in a process of its own, which is started again where a file ends it."""

    def __init__(self, python: str) -> None:
        self._argv = [python, str(Path(__file__).with_name("plain_unstructured.py"))]
        self._process: subprocess.Popen[str] | None = None

    def read(self, path: Path) -> str | None:
        """Give what it reads with its defaults, or None where it cannot."""
        if self._process is None:
            self._process = subprocess.Popen(self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"problem": "its process ended"}
        if not line:
            self.close()
        if "text" not in answer:
            sys.stderr.write(f"unstructured cannot read {path.name}: {answer['problem']}\n")
        return answer.get("text")

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def main() -> None:
    """Score every file that has an expected text, print the table by format and the worst files."""
    options = _options()
    pairs = [json.loads(line) for line in (options.data / "pairs.jsonl").read_text(encoding="utf-8").splitlines()]
    sandbox, plain = Sandbox(SandboxSettings()), PlainUnstructured(options.unstructured)
    try:
        scores = [_score(options.data, pair, sandbox, plain) for pair in pairs]
    finally:
        plain.close()
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
    return Counter(word.lower() for word in _WORD.findall(text))


def _means(scores: list[Score]) -> tuple[str, str, str, str]:
    theirs = [score.theirs for score in scores if score.theirs is not None]
    ours = number(mean(score.ours for score in scores))
    return str(len(scores)), ours, number(mean(theirs) if theirs else None), str(len(theirs))


def _score(data: Path, pair: dict[str, str], sandbox: Sandbox, unstructured: PlainUnstructured) -> Score:
    path = data / pair["file"]
    expected = (data / pair["expected_md"]).read_text(encoding="utf-8")
    with path.open("rb") as file:
        head = file.read(_SNIFFED_BYTES)
    ours, problem = 0.0, ""
    try:
        ours = recall(expected, _flat(sandbox.parse(path, sniff(head, path, path.name), path.name)))
    except MoatError as error:
        problem = f"{error.detail} {error.hint}"
    theirs = unstructured.read(path)
    plain = None if theirs is None else recall(expected, theirs)
    return Score(pair["file"], path.suffix.lstrip(".").lower(), ours, plain, problem)


def _flat(parsed: ParsedDocument) -> str:
    parts = [parsed.title]
    for element in parsed.elements:
        parts += [element.text, *(cell for row in element.rows for cell in row)]
    return "\n".join(parts)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = data_folder() / "fmt_dev"
    parser.add_argument(
        "--data", type=Path, default=default, help="folder with pairs.jsonl; MOAT_DATA/fmt_dev otherwise"
    )
    parser.add_argument("--out", type=Path, help="JSON of every file's score")
    parser.add_argument("--worst", type=int, default=0, help="list this many of the files with the lowest recall")
    parser.add_argument("--unstructured", default=sys.executable, help="interpreter that plain unstructured runs in")
    options = parser.parse_args()
    if not (options.data / "pairs.jsonl").exists():
        parser.error(f"{options.data} holds no pairs.jsonl; set MOAT_DATA or give --data")
    return options


if __name__ == "__main__":
    main()
