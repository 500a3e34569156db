"""Does every quote of every answer stand in the original, at the span and on the page that its citation names?

python -m benchmarks.quotes_in_answers [--set co300] [--server URL --key KEY --corpus NAME] [--worst N]

Asks a set's questions, those that nothing answers too, of the model without a key. Each quote is compared with the
text that the API gives of its document, character by character, and looked up in the original as downloaded: on its
page, slide or sheet, or in the whole of a file that has none, as readers see it that Moat does not use
(`benchmarks.citations_on_pages` says how). `--set` may be given again; `--server` asks a Moat that holds the files.
"""

import argparse
import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import httpx

from benchmarks.citations_on_pages import Check, found, to_markdown, worst
from benchmarks.found_passages import Texts
from benchmarks.ingest import say
from benchmarks.other_readers import PageReader, readers_of
from benchmarks.question_sets import question_set
from benchmarks.server import connect, running_moat, upload

DEADLINE_S = 7200


def main() -> None:
    """Print one table a set, and the quotes that were found least."""
    options = _options()
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    for name in options.sets or ["co300"]:
        with tempfile.TemporaryDirectory(prefix="quotes-") as scratch:
            workload = question_set(name, Path(scratch) / "files")
            place = nullcontext(options) if options.server else running_moat()
            with place as moat, connect(moat.server, moat.key) as http:
                if not options.server:
                    upload(http, options.corpus, workload.root, workload.names, DEADLINE_S)
                asked = [question.text for question in workload.questions]
                made = list(checks(http, options.corpus, asked, Path(scratch)))
        print(f"\n{name}: {len(asked)} questions\n\n{to_markdown(made)}")
        print("\n".join(worst(made, options.worst)))


def checks(http: httpx.Client, corpus: str, questions: Sequence[str], scratch: Path) -> Iterator[Check]:
    originals = Originals(http, scratch)
    for done, question in enumerate(questions, 1):
        body = {"question": question, "model": "extractive", "corpora": [corpus]}
        for citation in http.post("/v1/answers", json=body).raise_for_status().json()["citations"]:
            yield originals.check(citation)
        if done % 20 == 0:
            say(f"{done} of {len(questions)} questions")


class Originals:
    """Cited documents' originals, each fetched once, for readers of others."""

    def __init__(self, http: httpx.Client, folder: Path) -> None:
        self._http = http
        self._folder = folder
        self._texts = Texts(http)
        self._readers: dict[str, tuple[str, list[PageReader]]] = {}

    def check(self, citation: dict[str, Any]) -> Check:
        """Look a quote up."""
        id_, quote, (start, end) = citation["document_id"], citation["quote"], citation["span"]
        if id_ not in self._readers:
            name = self._get(f"/v1/documents/{id_}").json()["key"]
            original = self._folder / f"{id_}{Path(name).suffix.lower()}"
            original.write_bytes(self._get(f"/v1/documents/{id_}/content").content)
            self._readers[id_] = name, readers_of(original)
        name, readers = self._readers[id_]
        page = citation["page"] or 1
        return Check(name, page, quote, found(quote, page, readers), self._texts.of(id_)[start:end] == quote)

    def _get(self, path: str) -> httpx.Response:
        return self._http.get(path).raise_for_status()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", action="append", dest="sets", help="a set with questions; co300 without any")
    parser.add_argument("--server", help="a running Moat that holds the files; without it one is started for the run")
    parser.add_argument("--key", help="an admin key of --server")
    parser.add_argument("--corpus", default="benchmark")
    parser.add_argument("--worst", type=int, default=10, help="how many of the quotes found least are shown")
    options = parser.parse_args()
    if options.server and not options.key:
        parser.error("--server needs --key")
    return options


if __name__ == "__main__":
    main()
