"""A sentence-transformers model run by torch: any model it can load, slower than OpenVINO where that has it too."""

import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from moat.errors import InvalidRequest
from moat.forward_passes import ForwardPasses, passes_at_once
from moat.late_interaction import Vocabulary
from moat.records import Vector, WordPieces
from moat.settings import EmbedderSettings
from moat.word_tokenizers import words_stand_alone

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class TorchEmbedder(ForwardPasses):
    """A sentence-transformers model on the CPU."""

    def __init__(self, name: str, folder: Path, settings: EmbedderSettings) -> None:
        self.name = name
        self._model = load_model(folder)
        self._span_tokenizer: Any = deepcopy(self._model.tokenizer)
        fast = getattr(self._span_tokenizer, "backend_tokenizer", None)
        self.words_stand_alone = fast is not None and words_stand_alone(fast)
        dimension = self._model.get_embedding_dimension()
        if dimension is None:
            raise InvalidRequest(
                f"The model {name!r} does not state its dimension.", "Choose a sentence-embedding model."
            )
        self.dimension = dimension
        self.max_tokens = int(self._model.max_seq_length or 512)
        self._passes = ThreadPoolExecutor(passes_at_once(settings), thread_name_prefix="embed")
        # Fast tokenizers keep their padding as state, and refuse to be used by two threads at once.
        self._tokenizing = threading.Lock()
        self._spanning = threading.Lock()
        self.gives_tokens = self._has_tokens()
        self._vocabulary = Vocabulary(self._model.tokenizer.get_vocab())

    def _forward(self, text: str) -> tuple[Vector, WordPieces]:
        import torch

        with self._tokenizing:
            features = self._model.preprocess([text])
        with torch.inference_mode():
            made = self._model(features)
            vector: Vector = torch.nn.functional.normalize(made["sentence_embedding"], dim=1).numpy()[0]
            if not self.gives_tokens:
                return vector, WordPieces(np.zeros(0, np.int64), np.zeros((0, self.dimension), np.float32))
            tokens: Vector = torch.nn.functional.normalize(made["token_embeddings"], dim=2).numpy()[0]
        return vector, WordPieces(features["input_ids"].numpy()[0], tokens)

    def _has_tokens(self) -> bool:
        import torch

        with torch.inference_mode():
            return gives_tokens(self._model(self._model.preprocess(["?"])))

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        with self._spanning:
            encoding = self._span_tokenizer(
                text, add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False
            )
        return [(int(start), int(end)) for start, end in encoding["offset_mapping"]]


def gives_tokens(made: Mapping[str, Any]) -> bool:
    """Tell whether a model's output holds a vector for each word piece, of the same dimension as the text's."""
    sentence, tokens = made["sentence_embedding"], made.get("token_embeddings")
    return tokens is not None and tokens.ndim == 3 and tokens.shape[-1] == sentence.shape[-1]


def load_model(folder: Path) -> "SentenceTransformer":
    """Load a model for forward passes of one core each."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # torch takes seconds to import and hundreds of megabytes: only a process that needs it pays for it.
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.set_num_threads(1)
    return SentenceTransformer(str(folder), device="cpu")
