"""Tokens counted here: before a call for what it can cost, after it where its provider does not say."""

import functools
import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from moat.llm.wires.base import Message

# What a message's role and separators add to its text, in OpenAI's own count.
TOKENS_PER_MESSAGE = 4


def count_tokens(text: str) -> int:
    """Count tokens as OpenAI's newer models do; other vendors' counts differ by up to a third."""
    return len(_encoding().encode(text, disallowed_special=()))


def token_spans(text: str) -> list[tuple[int, int]]:
    """Give each token's code-point span; one that is a part of a character begins where that does."""
    encoding = _encoding()
    starts: list[int] = encoding.decode_with_offsets(encoding.encode(text, disallowed_special=()))[1]
    return list(zip(starts, [*starts[1:], len(text)], strict=True))


def count_prompt(messages: Sequence[Message]) -> int:
    """Count a whole prompt."""
    return sum(count_tokens(message.text) + TOKENS_PER_MESSAGE for message in messages) + TOKENS_PER_MESSAGE


@functools.cache
def _encoding() -> Any:
    # llama-index-core carries the vocabularies; without this tiktoken would fetch them from the network.
    spec = find_spec("llama_index.core")
    if spec is not None and spec.origin is not None:
        cache = Path(spec.origin).parent / "_static" / "tiktoken_cache"
        os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(cache))
    import tiktoken

    return tiktoken.get_encoding("o200k_base")
