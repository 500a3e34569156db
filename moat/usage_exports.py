"""What providers say was used, read from the CSV files that their consoles export."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from moat.errors import InvalidRequest

MOST_LINES = 200_000
ALL_MODELS = ""  # of a cost export that was not split by model
_SHAPES = "OpenAI's usage and cost exports, Anthropic's usage and cost exports, or day,model,tokens,dollars"


@dataclass(frozen=True, slots=True)
class Billed:
    """One day of one model as its provider counts it; None where the export does not say."""

    day: date
    model: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    tokens: int | None = None  # both together
    cost_usd: Decimal | None = None
    requests: int | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """A file, summed by day and model; `provider` is empty where its shape does not tell whose it is."""

    shape: str
    provider: str
    lines: tuple[Billed, ...]


Line = Mapping[str, str]


def read_export(text: str) -> Export:
    """Tell a file's shape by its columns and read it; raises InvalidRequest naming the line that cannot be read."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    try:
        names = [name.strip().lower() for name in reader.fieldnames or ()]
    except csv.Error as error:
        raise InvalidRequest(f"Line 1 of the file cannot be read: {error}.", _SHAPES) from error
    reader.fieldnames, columns = names, set(names)
    for shape, provider, needed, read in _READERS:
        if needed <= columns:
            return Export(shape, provider, tuple(_summed(_read(reader, read))))
    raise InvalidRequest(f"These columns are of no export that is known: {', '.join(sorted(columns))[:300]}.", _SHAPES)


def _read(lines: Iterable[Line], read: Callable[[Line], Billed | None]) -> Iterable[Billed]:
    number = 1
    try:
        for number, line in enumerate(lines, 2):
            if number > MOST_LINES:
                raise InvalidRequest(f"The file has over {MOST_LINES:,} lines.", "Export a shorter period.")
            if any((value or "").strip() for value in line.values() if isinstance(value, str)):
                found = read(line)
                if found is not None:
                    yield found
    except (ValueError, KeyError, AttributeError, TypeError, InvalidOperation, OverflowError, csv.Error) as error:
        raise InvalidRequest(f"Line {number} of the file cannot be read: {str(error)[:200]}.", _SHAPES) from error


def _summed(lines: Iterable[Billed]) -> list[Billed]:
    sums: dict[tuple[date, str], Billed] = {}
    for line in lines:
        key = line.day, line.model
        sums[key] = _plus(sums[key], line) if key in sums else line
    return [sums[key] for key in sorted(sums)]


def _plus(one: Billed, other: Billed) -> Billed:
    return Billed(
        one.day,
        one.model,
        _both(one.input_tokens, other.input_tokens),
        _both(one.output_tokens, other.output_tokens),
        _both(one.tokens, other.tokens),
        one.cost_usd if other.cost_usd is None else (one.cost_usd or Decimal(0)) + other.cost_usd,
        _both(one.requests, other.requests),
    )


def _both(one: int | None, other: int | None) -> int | None:
    return one if other is None else (one or 0) + other


def _openai_usage(line: Line) -> Billed | None:
    if not line["model"].strip():  # an hour or day in which nothing was asked
        return None
    read, written = _count(line, "input_tokens"), _count(line, "output_tokens")
    requests = _count(line, "num_model_requests")
    return Billed(_start(line), line["model"].strip(), read, written, read + written, None, requests)


def _openai_cost(line: Line) -> Billed | None:
    if not line["amount_value"].strip():
        return None
    if (line.get("amount_currency") or "usd").strip().lower() != "usd":
        raise ValueError(f"the amount is in {line['amount_currency']!r}, not in dollars")
    # "gpt-4o-2024-08-06, input": the model, and which of its units.
    model = (line.get("line_item") or "").split(",")[0].strip()
    return Billed(_start(line), model, cost_usd=_dollars(line["amount_value"]))


def _start(line: Line) -> date:
    stated = (line.get("start_time_iso") or "").strip()
    return _day(stated) if stated else datetime.fromtimestamp(int(line["start_time"]), UTC).date()


def _anthropic_usage(line: Line) -> Billed:
    inputs = [name for name in line if name and name.startswith("usage_input_tokens")]
    read, written = sum(_count(line, name) for name in inputs), _count(line, "usage_output_tokens")
    return Billed(_day(line["usage_date_utc"]), line["model_version"].strip(), read, written, read + written)


def _anthropic_cost(line: Line) -> Billed:
    # Written as on the price list, "Claude Sonnet 4.5": the models' ids have dashes.
    model = re.sub(r"[ .]+", "-", line["model"].strip().lower())
    return Billed(_day(line["usage_date_utc"]), model, cost_usd=_dollars(line["cost_usd"]))


def _plain(line: Line) -> Billed:
    cost = (line.get("dollars") or "").strip()
    tokens = (line.get("tokens") or "").strip()
    return Billed(
        _day(line["day"]),
        line["model"].strip(),
        tokens=_count(line, "tokens") if tokens else None,
        cost_usd=_dollars(cost) if cost else None,
    )


def _day(text: str) -> date:
    return date.fromisoformat(text.strip()[:10])


def _count(line: Line, name: str) -> int:
    value = (line.get(name) or "").strip().replace(",", "")
    number = Decimal(value or 0)
    if not number.is_finite() or number != int(number) or number < 0:
        raise ValueError(f"{name} is no count: {value!r}")
    return int(number)


def _dollars(text: str) -> Decimal:
    amount = Decimal(text.strip().lstrip("$").replace(",", ""))
    if not amount.is_finite():
        raise ValueError(f"{text!r} is no amount")
    return amount


_READERS: tuple[tuple[str, str, set[str], Callable[[Line], Billed | None]], ...] = (
    ("OpenAI usage", "openai", {"start_time", "model", "num_model_requests", "input_tokens"}, _openai_usage),
    ("OpenAI costs", "openai", {"start_time", "amount_value"}, _openai_cost),
    ("Anthropic usage", "anthropic", {"usage_date_utc", "model_version", "usage_output_tokens"}, _anthropic_usage),
    ("Anthropic costs", "anthropic", {"usage_date_utc", "model", "cost_usd"}, _anthropic_cost),
    ("plain", "", {"day", "model"}, _plain),
)
