"""A sentence-transformers checkpoint made on the spot: real files, random weights, loaded in no time."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import BertConfig

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def make_tiny_model(folder: Path, dimension: int = 48) -> str:
    """Save a model of this dimension and return its folder, which is its name as an embedder."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertModel

    base, saved = folder / "bert", folder / "model"
    BertModel(_configured(base, dimension)).save_pretrained(base)
    transformer = Transformer(str(base), max_seq_length=256)
    model = SentenceTransformer(modules=[transformer, Pooling(dimension, pooling_mode="mean")], device="cpu")
    model.save(str(saved))
    return str(saved)


def make_tiny_cross_encoder(folder: Path) -> str:
    """Save a cross-encoder with one score and return its folder."""
    from transformers import BertForSequenceClassification

    base = folder / "cross-encoder"
    config = _configured(base, 48)
    config.num_labels = 1
    BertForSequenceClassification(config).save_pretrained(base)
    return str(base)


def _configured(base: Path, dimension: int) -> "BertConfig":
    """Save a tokenizer of letters and give the configuration of a model for it, its weights to be seeded."""
    import torch
    from transformers import BertConfig, BertTokenizerFast

    base.mkdir(parents=True)
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *LETTERS,
        *(f"##{letter}" for letter in LETTERS),
        *".,:;!?-",
    ]
    (base / "vocab.txt").write_text("\n".join(pieces) + "\n")
    torch.manual_seed(0)
    BertTokenizerFast(vocab_file=str(base / "vocab.txt")).save_pretrained(base)
    return BertConfig(
        vocab_size=len(pieces),
        hidden_size=dimension,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=dimension * 2,
        max_position_embeddings=512,
    )
