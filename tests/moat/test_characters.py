"""Characters that show nothing go; those that scripts and emoji need stay."""

import pytest

from moat.characters import drop_invisible


@pytest.mark.parametrize(
    "hidden",
    [
        "\u200b", "\u2060", "\ufeff", "\u202e", "\u2066", "\u00ad", "\u034f", "\u3164", "\uffa0", "\U000e0041",
        "\U000e0101", "\ufe00", "\ufe0f\ufe0e", "\u200d", "\u200c\u200d", "\U0001d173", "\u180e",
    ],
)  # fmt: skip
def test_what_shows_nothing_goes(hidden: str) -> None:
    assert drop_invisible(f"a{hidden}b")[0] == "ab"


@pytest.mark.parametrize("text", ["👩‍💻 ❤️ 1️⃣ x² naïve", "می‌خواهم", "क्‍ष", "한국어", "plain"])
def test_what_a_script_needs_stays(text: str) -> None:
    assert drop_invisible(text) == (text, 0)


def test_runs_of_joiners_and_selectors_carry_nothing() -> None:
    assert drop_invisible("и\u200c\u200d\u200c\u200dи")[0] == "и\u200cи"
    assert drop_invisible("☂\ufe0f\ufe0e\ufe01\ufe0f")[0] == "☂\ufe0f"
