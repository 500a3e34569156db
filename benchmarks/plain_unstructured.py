"""What plain unstructured reads: a program of its own, so that another environment's interpreter can run it.

PYTHON benchmarks/plain_unstructured.py < paths: for each line with a path a line of JSON, its text or its problem.
"""

import importlib
import importlib.util
import json
import logging
import sys
from pathlib import Path
from typing import Any

_TAGGER = Path(__file__).parents[1] / "ingest" / "parse" / "light_nlp.py"
_PICTURES = (".pdf", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")


def main() -> None:
    """Answer path by path, so that a file which ends the process costs only itself."""
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries print
    logging.disable(logging.CRITICAL)
    _install_tagger()
    for line in sys.stdin:
        json.dump(_read(Path(line.rstrip("\n"))), answers)
        answers.write("\n")
        answers.flush()


def _install_tagger() -> None:
    """Put ours in place of one that is downloaded: it only names an element's kind, the text is the same."""
    spec = importlib.util.spec_from_file_location("light_nlp", _TAGGER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.install()


def _read(path: Path) -> dict[str, Any]:
    """Read with its defaults; pictures, whose default is a model from the network, through its OCR."""
    partition: Any = importlib.import_module("unstructured.partition.auto").partition
    problem = ""
    for options in ({}, {"strategy": "ocr_only"}) if path.suffix.lower() in _PICTURES else ({},):
        try:
            found = partition(str(path), **options)
        except Exception as error:  # noqa: BLE001  # whatever a format lacks: an extra, a program, a known type
            problem = type(error).__name__
        else:
            return {"text": "\n".join(str(element) for element in found)}
    return {"problem": problem}


if __name__ == "__main__":
    main()
