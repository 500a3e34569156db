"""The ceilings of indexing: the embedder alone on the very same chunks, with nothing around it."""

import os
from collections.abc import Sequence

from benchmarks.processes import Stage, apart, timed

BATCH = 16


def embed_bare(texts: Sequence[str], embedder: str) -> tuple[Stage, Stage]:
    """Tell what embedding these texts takes in a process that does nothing else; loading the model is left out.

    First by the engine that Moat uses, then by sentence-transformers itself, with torch's own threads.
    """
    with apart() as process:
        engine = process.submit(_by_engine, list(texts), embedder).result()
    with apart() as process:
        return engine, process.submit(_by_sentence_transformers, list(texts), embedder).result()


def _by_engine(texts: list[str], embedder: str) -> Stage:
    from moat.embedder import Embedders
    from moat.settings import EmbedderSettings

    loaded = Embedders(EmbedderSettings()).get(embedder)
    loaded.embed_texts(["warm up"])
    stages: dict[str, Stage] = {}
    with timed(stages, "embed"):
        loaded.embed_texts(texts)
    return stages["embed"]


def _by_sentence_transformers(texts: list[str], embedder: str) -> Stage:
    os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", DO_NOT_TRACK="1")
    from sentence_transformers import SentenceTransformer

    from moat.embedder import model_folder

    model = SentenceTransformer(str(model_folder(embedder)), device="cpu")
    model.encode(["warm up"], show_progress_bar=False)
    texts.sort(key=len)
    stages: dict[str, Stage] = {}
    with timed(stages, "embed"):
        model.encode(texts, batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False)
    return stages["embed"]
