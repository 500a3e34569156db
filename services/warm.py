"""What is loaded before the first question, so that neither it waits for it nor the start does."""

import gc
import logging

from moat.errors import MoatError
from moat.llm.embedders import for_sentences
from services.parts import Parts

log = logging.getLogger(__name__)


def warm(parts: Parts) -> None:
    """Load the default embedder, the reranker and the client libraries of the models; what fails is only logged."""
    try:
        name = for_sentences(parts.settings.embedder.default, parts.settings)
        parts.answering.embedders.get(name).embed_question("warm up")
        if parts.answering.reranking is not None:
            parts.answering.reranking.warm()
    except MoatError as error:
        log.warning("the default embedder or the reranker could not be loaded: %s", error.detail)
    parts.answering.gateway.warm()


def rest() -> None:
    """Leave all that is loaded by now out of later collections: going through it holds everybody up for 0.2 s."""
    gc.collect()
    gc.freeze()
