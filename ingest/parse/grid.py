"""A table's cells with their spans, laid out as rows in which every column means the same."""

_MOST_COLUMNS = 1000
_MOST_ROWS = 10_000


class Grid:
    """Rows that grow cell by cell; a cell that spans rows is repeated in each, so that no row loses its meaning."""

    def __init__(self) -> None:
        self._rows: list[list[str]] = []
        self._below: dict[int, tuple[str, int]] = {}  # column -> text and how many rows it still reaches down

    def start_row(self) -> None:
        self._finish_row()
        self._rows.append([])

    def add(self, text: str, colspan: int, rowspan: int) -> None:
        if not self._rows:
            self._rows.append([])
        row = self._rows[-1]
        self._take_from_above(row)
        if len(row) >= _MOST_COLUMNS:
            row[-1] = f"{row[-1]} {text}"
            return
        for text_here in [text] + [""] * (min(max(colspan, 1), _MOST_COLUMNS - len(row)) - 1):
            if rowspan > 1:
                self._below[len(row)] = (text_here, min(rowspan, _MOST_ROWS) - 1)
            row.append(text_here)

    def finish(self) -> tuple[tuple[str, ...], ...]:
        """Give the rows that hold any text."""
        self._finish_row()
        return tuple(tuple(row) for row in self._rows if any(row))

    def _finish_row(self) -> None:
        if not self._rows:
            return
        row = self._rows[-1]
        while self._below and len(row) <= max(self._below):
            if not self._take_from_above(row):
                row.append("")

    def _take_from_above(self, row: list[str]) -> bool:
        taken = False
        while len(row) in self._below:
            text, left = self._below.pop(len(row))
            if left > 1:
                self._below[len(row)] = (text, left - 1)
            row.append(text)
            taken = True
        return taken
