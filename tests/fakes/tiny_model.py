"""A sentence-transformers checkpoint made on the spot: real files, random weights, loaded in no time."""

from pathlib import Path

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def make_tiny_model(folder: Path, dimension: int = 48) -> str:
    """Save a model of this dimension and return its folder, which is its name as an embedder."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    base, saved = folder / "bert", folder / "model"
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
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=dimension,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=dimension * 2,
        max_position_embeddings=512,
    )
    BertModel(config).save_pretrained(base)
    BertTokenizerFast(vocab_file=str(base / "vocab.txt")).save_pretrained(base)
    transformer = Transformer(str(base), max_seq_length=256)
    model = SentenceTransformer(modules=[transformer, Pooling(dimension, pooling_mode="mean")], device="cpu")
    model.save(str(saved))
    return str(saved)
