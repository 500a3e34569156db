"""A model that reads question and passage together: slower and more exact than comparing vectors."""

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from moat.errors import InvalidRequest


class Reranker(Protocol):
    """Says how well each text answers a question; safe to call from several threads."""

    name: str

    def scores(self, question: str, texts: Sequence[str], wanted: Callable[[], bool]) -> list[float]:
        """Give a score for each text, higher is better; ends early, with fewer, once it is no longer `wanted`."""
        ...


class CrossEncoderReranker:
    """A sentence-transformers cross-encoder in a folder of this machine, on the CPU."""

    BATCH = 4  # what is done, at most, after nobody waits any more

    def __init__(self, folder: str) -> None:
        if not (Path(folder) / "config.json").is_file():
            raise InvalidRequest(
                f"There is no cross-encoder in {folder!r}.",
                "Set MOAT_ANSWERING__RERANKER to the folder of a sentence-transformers cross-encoder, or to nothing.",
            )
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        # torch takes seconds to import and hundreds of megabytes: only who reranks pays for it.
        from sentence_transformers import CrossEncoder

        self.name = folder
        self._model = CrossEncoder(folder, device="cpu", local_files_only=True)
        self._using = threading.Lock()  # its tokenizer keeps its padding as state

    def scores(self, question: str, texts: Sequence[str], wanted: Callable[[], bool]) -> list[float]:
        scored: list[float] = []
        for at in range(0, len(texts), self.BATCH):
            if not wanted():
                break
            pairs = [(question, text) for text in texts[at : at + self.BATCH]]
            with self._using:
                scored += [float(score) for score in self._model.predict(pairs, show_progress_bar=False)]
        return scored
