"""Converts one sentence-transformers model for OpenVINO: `python -m moat.model_conversion MODEL FOLDER f32|int8`.

A process of its own, because it loads torch; it exits with a reason on standard error when the model does not convert.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from moat.converted_models import FACTS, MODEL, TOKENIZER
from moat.openvino_embedder import import_openvino
from moat.torch_embedder import gives_tokens, load_model

_SAMPLES = (
    "What is kept on the second shelf?",
    "The deposit is paid back within thirty days, less what was broken, to the account that it came from. " * 6,
)
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
# Cosines of a faithful conversion, and of one whose weights were rounded to eight bits.
_FAITHFUL = {"f32": 0.9999, "int8": 0.98}
_SMALL_WEIGHTS = 10_000


def convert(model_folder: Path, folder: Path, form: str) -> None:
    """Write the model, its tokenizer and its facts, after checking that it gives what torch gives."""
    import torch

    openvino = import_openvino()
    model = load_model(model_folder).eval()
    features = model.preprocess(list(_SAMPLES))
    inputs = [name for name in _INPUTS if name in features]
    with torch.no_grad():
        given = model(dict(features))
        expected = torch.nn.functional.normalize(given["sentence_embedding"], dim=1).numpy()
        tokens = gives_tokens(given)
        traced = openvino.convert_model(_whole(model, tokens), example_input={name: features[name] for name in inputs})
    if form == "int8":
        _round_weights(traced)
    openvino.save_model(traced, str(folder / MODEL), compress_to_fp16=False)
    _check(openvino, folder, {name: features[name].numpy() for name in inputs}, expected, _FAITHFUL[form])
    tokenizer = model.tokenizer.backend_tokenizer
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(folder / TOKENIZER))
    facts = {"dimension": int(expected.shape[1]), "max_tokens": int(model.max_seq_length or 512), "inputs": inputs}
    facts["tokens"] = tokens
    (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")


def _whole(model: Any, tokens: bool) -> Any:
    """Wrap all of a model's modules, from word pieces to unit vectors, as one that takes tensors alone.

    With `tokens` it gives each word piece's unit vector as well: they are made on the way to the text's.
    """
    import torch

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        # Named arguments: the converter reads them from the signature.
        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any = None) -> Any:
            features = {"input_ids": input_ids, "attention_mask": attention_mask}
            if token_type_ids is not None:
                features["token_type_ids"] = token_type_ids
            made = self.model(features)
            sentence = torch.nn.functional.normalize(made["sentence_embedding"], dim=1)
            if not tokens:
                return sentence
            return sentence, torch.nn.functional.normalize(made["token_embeddings"], dim=2)

    return Whole().eval()


def _round_weights(traced: Any) -> None:
    """Keep the weights of every product as signed bytes with a scale a row; the CPU multiplies in eight bits then."""
    from openvino import opset13 as ops

    for product in [op for op in traced.get_ops() if op.get_type_name() == "MatMul"]:
        weights = product.input_value(1).get_node()
        rows_are_outputs = product.get_attributes()["transpose_b"]
        if weights.get_type_name() != "Constant" or not rows_are_outputs:
            continue
        values = weights.get_data()
        if values.ndim != 2 or values.size < _SMALL_WEIGHTS:
            continue
        scales = np.maximum(np.abs(values).max(axis=1, keepdims=True) / 127, 1e-12).astype(np.float32)
        rounded = ops.constant(np.round(values / scales).astype(np.int8))
        restored = ops.multiply(ops.convert(rounded, np.float32), ops.constant(scales))
        product.input(1).replace_source_output(restored.output(0))
    traced.validate_nodes_and_infer_types()


def _check(openvino: Any, folder: Path, features: dict[str, Any], expected: Any, at_least: float) -> None:
    compiled = openvino.Core().compile_model(str(folder / MODEL), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    made = compiled(features)[0]
    cosine = float((made * expected).sum(axis=1).min())
    if not cosine >= at_least:
        raise SystemExit(f"the converted model's vectors differ from the model's own (cosine {cosine:.4f})")


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
