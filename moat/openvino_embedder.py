"""A sentence-transformers model run by OpenVINO: the same vectors as torch's, for about half the work on a CPU."""

import queue
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from moat.converted_models import MODEL, TOKENIZER, converted, facts_of
from moat.errors import NotConvertible
from moat.forward_passes import ForwardPasses, passes_at_once
from moat.late_interaction import Vocabulary
from moat.records import Vector, WordPieces
from moat.settings import EmbedderSettings
from moat.word_tokenizers import words_stand_alone

# OpenVINO's binding sets itself up at its first calls, and two threads that make them at the same time wait for each
# other for ever, one with Python's lock in its hand.
_starting = threading.Lock()


class OpenVinoEmbedder(ForwardPasses):
    """A converted model on the CPU; neither torch nor transformers is loaded."""

    def __init__(self, name: str, folder: Path, int8: bool, settings: EmbedderSettings) -> None:
        from tokenizers import Tokenizer

        openvino = import_openvino()
        form = converted(folder, int8, Path(settings.converted).expanduser())
        facts = facts_of(form)
        self.name, self.dimension, self.max_tokens = name, facts.dimension, facts.max_tokens
        self._inputs = facts.inputs
        self.gives_tokens = facts.gives_tokens
        self._span_tokenizer: Any = Tokenizer.from_file(str(form / TOKENIZER))
        self.words_stand_alone = words_stand_alone(self._span_tokenizer)
        self._tokenizer: Any = Tokenizer.from_file(str(form / TOKENIZER))
        self._vocabulary = Vocabulary(self._tokenizer.get_vocab())
        self._tokenizer.enable_truncation(self.max_tokens)
        passes = passes_at_once(settings)
        options = {
            "INFERENCE_NUM_THREADS": passes,
            "NUM_STREAMS": passes,
            "INFERENCE_PRECISION_HINT": "f32",  # else a CPU that has bfloat16 would make other vectors
            "ENABLE_CPU_PINNING": False,  # the API and the worker would be pinned to the same cores
        }
        if int8:
            options["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = 128
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        with _starting:
            compiled = openvino.Core().compile_model(str(form / MODEL), "CPU", options)
            for _ in range(2 * passes):
                self._requests.put(compiled.create_infer_request())
            self._forward("The first pass is made by one thread alone.")
        self._passes = ThreadPoolExecutor(2 * passes, thread_name_prefix="embed")

    def _forward(self, text: str) -> tuple[Vector, WordPieces]:
        encoding = self._tokenizer.encode(text)
        given = {"input_ids": encoding.ids, "attention_mask": encoding.attention_mask}
        given["token_type_ids"] = encoding.type_ids
        request = self._requests.get()
        try:
            outputs = request.infer({name: np.array([given[name]], np.int64) for name in self._inputs})
            vector: Vector = outputs[0][0].copy()  # the request's own memory is used again
            tokens: Vector = outputs[1][0].copy() if self.gives_tokens else np.zeros((0, self.dimension), np.float32)
        finally:
            self._requests.put(request)
        return vector, WordPieces(np.array(encoding.ids, np.int64), tokens)

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        offsets: list[tuple[int, int]] = self._span_tokenizer.encode(text, add_special_tokens=False).offsets
        return offsets


def import_openvino() -> Any:
    """Import OpenVINO without its part that reports its use; raises `NotConvertible` where it is not installed."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise NotConvertible(
            f"OpenVINO cannot be used: {error}.", "Embedding is about half as fast without it."
        ) from error
    return openvino
