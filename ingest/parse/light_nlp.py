"""A stand-in for unstructured's spaCy tokenizer: it would load torch and fetch a model from the network."""

import os
import re
import sys
from types import ModuleType

_NAME = "unstructured.nlp.tokenize"
_WORD = re.compile(r"\w+(?:['’]\w+)?|[^\w\s]")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
# unstructured only asks whether there is a verb, to tell a sentence from a title: the commonest forms answer that.
_VERBS = frozenset(
    {
        *("am", "is", "are", "was", "were", "be", "been", "do", "does", "did", "done", "has", "have", "had", "can"),
        *("could", "may", "might", "must", "shall", "should", "will", "would", "get", "give", "given", "go", "goes"),
        *("make", "makes", "made", "need", "needs", "see", "take", "takes", "use", "want", "wants", "work", "works"),
    }
)


def install() -> None:
    """Put the stand-in where unstructured imports its tokenizer from; call it before importing any partitioner."""
    os.environ["DO_NOT_TRACK"] = "1"
    os.environ["UNSTRUCTURED_DISABLE_NOTICE"] = "1"
    if _NAME in sys.modules:
        return
    module = ModuleType(_NAME, __doc__)
    module.__dict__.update(sent_tokenize=sent_tokenize, word_tokenize=word_tokenize, pos_tag=pos_tag)
    sys.modules[_NAME] = module


def sent_tokenize(text: str) -> list[str]:
    """Split after a full stop, question or exclamation mark."""
    return [part for part in _SENTENCE.split(text) if part]


def word_tokenize(text: str) -> list[str]:
    """Split into words and marks."""
    return _WORD.findall(text)


def pos_tag(text: str) -> list[tuple[str, str]]:
    """Tag a word VB when it looks like a verb, else NN."""
    words = word_tokenize(text)
    return [
        (word, "VB" if word.lower() in _VERBS or (len(word) > 5 and word.endswith(("ed", "ing"))) else "NN")
        for word in words
    ]
