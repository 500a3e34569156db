"""Repairs of single characters; plain ASCII, which is most text, passes at the cost of one look."""

import re
import unicodedata

_LIGATURES = {ord(c): unicodedata.normalize("NFKC", c) for c in "ﬀﬁﬂﬃﬄﬅﬆ"}
_LIGATURE = re.compile("[ﬀ-ﬆ]")


def repair_mojibake(text: str) -> tuple[str, int]:
    """Undo a decoding with the wrong charset, where ftfy is sure of it."""
    if text.isascii():
        return text, 0
    import ftfy.badness  # not before the first text that may need it

    if not ftfy.badness.is_bad(text):
        return text, 0
    repaired = ftfy.fix_encoding(text)
    return (repaired, 1) if repaired != text else (text, 0)


def compose(text: str) -> tuple[str, int]:
    """Compose accents (NFC) and spell out Latin ligatures; what NFKC would also fold, such as x², keeps its meaning."""
    if text.isascii():
        return text, 0
    composed = unicodedata.normalize("NFC", text)
    if _LIGATURE.search(composed):
        composed = composed.translate(_LIGATURES)
    return (composed, 1) if composed != text else (text, 0)
