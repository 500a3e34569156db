"""Characters that show nothing: they hide instructions from a reader's eyes, and carry data past them."""

import re

# Kept are joiners between letters of scripts that need them, and one variation selector behind what it may shape.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff"
    "\uffa0\ufff9-\ufffc\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    "|(?:^|(?<=[\x00-\x7f\u200c\u200d]))[\u200c\u200d]|[\u200c\u200d](?=[\x00-\x7f]|$)"
    "|(?:^|(?<=[\x00-\x22\x24-\x29\x2b-\x2f\x3a-\x7f\ufe00-\ufe0f]))[\ufe00-\ufe0f]"
)


def drop_invisible(text: str) -> tuple[str, int]:
    """Drop characters that show nothing; gives the text and how many there were."""
    dropped = 0
    while not text.isascii():  # again: what stood apart may stand together now
        text, found = _INVISIBLE.subn("", text)
        if not found:
            break
        dropped += found
    return text, dropped
