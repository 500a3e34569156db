"""How a model writes the numbers of its sources: [1], [2][3], [1, 2], 【1】."""

import re

MARKERS = re.compile(r"(\s*)[\[【]\s*(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\s*[\]】]")


def numbers_of(marker: re.Match[str]) -> list[int]:
    """Give the sources that one of them names."""
    return [int(number) for number in re.findall(r"\d+", marker[2])]
