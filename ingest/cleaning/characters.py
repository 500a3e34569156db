"""Repairs of single characters; plain ASCII, which is most text, passes at the cost of one look."""

import re
import unicodedata

# They break searching and quoting, and hide instructions from a reader's eyes; joiners stay where scripts need them.
INVISIBLE = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffc\U000e0000-\U000e0fff]"
    "|(?<=[\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?=[\x00-\x7f]|$)"
)
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


def drop_invisible(text: str) -> tuple[str, int]:
    """Drop characters that show nothing."""
    return (text, 0) if text.isascii() else INVISIBLE.subn("", text)


def compose(text: str) -> tuple[str, int]:
    """Compose accents (NFC) and spell out Latin ligatures; what NFKC would also fold, such as x², keeps its meaning."""
    if text.isascii():
        return text, 0
    composed = unicodedata.normalize("NFC", text)
    if _LIGATURE.search(composed):
        composed = composed.translate(_LIGATURES)
    return (composed, 1) if composed != text else (text, 0)
