"""What is known of tokenizers by their kind."""

from typing import Any


def words_stand_alone(tokenizer: Any) -> bool:
    """Tell whether a `tokenizers.Tokenizer` cuts a word between white space without a look at its neighbours.

    BERT's kind does. Others write the space before a word into its pieces.
    """
    from tokenizers import models, normalizers, pre_tokenizers

    return (
        isinstance(tokenizer.model, models.WordPiece)
        and isinstance(tokenizer.normalizer, normalizers.BertNormalizer)
        and isinstance(tokenizer.pre_tokenizer, pre_tokenizers.BertPreTokenizer)
    )
