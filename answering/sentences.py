"""Where sentences begin and end, as offsets, so that every quote is verbatim."""

import re

# Canonical text holds no wrapped lines: a line is a paragraph, a list item, a heading or a table row.
_LINE = re.compile(r"[^\n]+")
_MARKS = re.compile(r"\s*(?:(?:[-*+•]|\d{1,3}[.)]|#{1,6}|>)\s+)+")
# A mark with blanks behind it ends a sentence unless a small letter follows; in scripts without blanks it always does.
_END = re.compile(r"(?:[.!?…]+[\"'”’»)\]]*|[؟۔।॥։።჻]+)(?=\s+(?P<next>\S))|[。！？｡]+[\"'”’»)\]」』）】]*")
_ABBREVIATION = re.compile(
    r"\b(?:[^\W\d_]|Mr|Mrs|Ms|Dr|Prof|St|vs|etc|e\.g|i\.e|No|Nr|approx|Inc|Ltd|Co|Jr|Sr|Fig|Sec|Art|Abs|Ziff|Kap|bzw"
    r"|ca|inkl|exkl|usw|evtl|ggf|z\.\s?B|d\.\s?h|u\.\s?a|Std|Tel|Str|Hr|Fr|Sra?|Mme|Mlle|pág|núm|av|cf|env|ex|op|red|см|стр|рис|табл|ул|гл|др|тыс|млн)\.$"
)
# In German and its neighbours "3. Oktober" and "2. Stock" do not end with their number.
_NUMBER = re.compile(r"(?:^|\s)\d{1,2}\.$")
_COUNTED = re.compile(
    r"\s+(?:Jan|Feb|Mär|Mar|Apr|Mai|Maj|Jun|Jul|Aug|Sep|Okt|Nov|Dez|Dec|Jahr|Tag|Woche|Monat|Quartal|Stock|Etage|Klasse"
    r"|Lebensjahr|Auflage|Kapitel|Absatz|Person)"
)
_LONGEST_BEFORE = 12


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Give the span of every sentence, table row and list item, without the blanks and list marks around it."""
    spans = []
    for line in _LINE.finditer(text):
        cursor, end = line.span()
        for match in _END.finditer(text, cursor, end):
            if not _goes_on(text, cursor, match):
                spans.append((cursor, match.end()))
                cursor = match.end()
        spans.append((cursor, end))
    return [span for span in (_trim(text, *span) for span in spans) if span[0] < span[1]]


def _goes_on(text: str, cursor: int, mark: re.Match[str]) -> bool:
    """Tell a mark that ends no sentence: of an abbreviation, of an ordinal, or with a small letter behind it."""
    if mark["next"] and mark["next"].islower():
        return True
    before = max(cursor, mark.end() - _LONGEST_BEFORE)
    if _NUMBER.search(text, before, mark.end()) and _COUNTED.match(text, mark.end()):
        return True
    return bool(_ABBREVIATION.search(text, before, mark.end()))


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    marks = _MARKS.match(text, start, end)
    start = marks.end() if marks else start
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
