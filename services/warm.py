"""What is loaded before the first question, so that neither it waits for it nor the start does."""

import gc
import logging

from moat.errors import MoatError
from moat.llm.embedders import for_sentences
from services.parts import Parts

log = logging.getLogger(__name__)
_NEW_OBJECTS = 10_000  # before a collection; Python's own 700 are for smaller programs


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
    """Leave all that is loaded by now out of later collections, and have fewer of them.

    To go through it held everybody up for 0.2 s, and of each answer's time 0.3 ms went into collections of little.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)
