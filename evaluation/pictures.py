"""What was measured as one SVG picture: scores, differences, abstention, and what right answers cost."""

import math
from collections.abc import Sequence
from decimal import Decimal

from evaluation import svg
from evaluation.curves import FALSE_AT_MOST, Curve, curves
from evaluation.pareto import front
from evaluation.records import Evaluation
from evaluation.scores import ArmScores, Comparison, arm_scores, comparisons
from evaluation.tables import dollars

_LEFT, _RIGHT, _ROW = 190, svg.WIDTH - 30, 26
_ANSWERS = ("right", "quotes_hold_sentence", "citation_precision", "quotes_verbatim")
_PLOT = 300
_REACHES = (0.04, 0.1, 0.2, 0.4, 0.6, 1.0)  # of the intervals' axes
Piece = tuple[str, float]


def to_svg(evaluation: Evaluation) -> str:
    """Draw everything that was measured, one panel below the other."""
    rows = arm_scores(evaluation)
    searched = {row.arm for row in evaluation.arms if row.searched}
    pieces = [
        _legend([row.arm for row in rows]),
        _dots("Finding files and sentences", [_shares(row) if row.arm in searched else {} for row in rows]),
        _dots("Answers", [_answer_shares(row) for row in rows]),
        _price_plot(rows),
        _curve_plot(curves(evaluation), [row.arm for row in rows]),
        *(_forest(pair) for pair in comparisons(evaluation)),
    ]
    return svg.document([piece for piece in pieces if piece[1]], "Results of moat evaluate")


def _shares(row: ArmScores) -> dict[str, float]:
    return {name: value for name, value in row.measures.items() if value is not None}


def _answer_shares(row: ArmScores) -> dict[str, float]:
    found = {name: getattr(row.answers, name) for name in _ANSWERS} if row.answers else {}
    return {name.replace("_", " "): value for name, value in found.items() if value is not None}


def _legend(arms: Sequence[str]) -> Piece:
    parts, x, y = [], 20.0, 24.0
    for place, arm in enumerate(arms):
        wide = 30 + 7 * len(arm)
        if x + wide > _RIGHT:
            x, y = 20.0, y + 20
        parts += [svg.dot(x + 6, y - 4, svg.colour(place)), svg.text(x + 16, y, arm)]
        x += wide
    return "".join(parts), y + 12


def _dots(title: str, rows: Sequence[dict[str, float]]) -> Piece:
    """Draw a line for each measure, from 0 to 1, with a dot for each arm."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not names:
        return "", 0
    bottom = 36 + _ROW * len(names)
    parts = [svg.text(20, 22, title, size=14, bold=True)]
    for tick in (0, 0.25, 0.5, 0.75, 1):
        x = _scaled(tick, 0, 1)
        parts += [svg.line(x, 36, x, bottom), svg.text(x, bottom + 14, f"{tick:g}", size=11, anchor="middle")]
    for place, name in enumerate(names):
        y = 36 + _ROW * (place + 0.5)
        parts.append(svg.text(_LEFT - 12, y + 4, name, anchor="end"))
        those = [(arm, row[name]) for arm, row in enumerate(rows) if name in row]
        for number, (arm, value) in enumerate(those):
            apart = 3 * (number - (len(those) - 1) / 2)  # since arms often reach the very same
            parts.append(svg.dot(_scaled(value, 0, 1), y + apart, svg.colour(arm), title=f"{value:.3f}"))
    return "".join(parts), bottom + 30


def _scaled(value: float, low: float, high: float) -> float:
    return _LEFT + (value - low) / (high - low) * (_RIGHT - _LEFT)


def _forest(pair: Comparison) -> Piece:
    """Draw each share's difference with its interval around zero."""
    shown = {name: one for name, one in pair.differences.items() if name not in ("usd", "input_tokens")}
    if not shown:
        return "", 0
    widest = max(abs(edge) for one in shown.values() for edge in (one.low, one.high))
    reach = next((edge for edge in _REACHES if edge >= widest), widest)
    bottom = 36 + _ROW * len(shown)
    parts = [svg.text(20, 22, f"{pair.first} − {pair.other}, with 95 % intervals", size=14, bold=True)]
    for tick in (-reach, -reach / 2, 0, reach / 2, reach):
        x = _scaled(tick, -reach, reach)
        stroke = svg.INK if tick == 0 else svg.FAINT
        parts += [svg.line(x, 36, x, bottom, stroke=stroke), _tick(x, bottom + 14, f"{tick:+.2f}" if tick else "0")]
    for place, (name, one) in enumerate(shown.items()):
        y = 36 + _ROW * (place + 0.5)
        fill = svg.COLOURS[0] if one.sure else svg.COLOURS[-1]
        ends = [_scaled(edge, -reach, reach) for edge in (one.low, one.high)]
        parts.append(svg.text(_LEFT - 12, y + 4, name.replace("_", " "), anchor="end", bold=one.sure))
        parts.append(svg.line(ends[0], y, ends[1], y, stroke=fill, width=2))
        said = f"{one.mean:+.3f} [{one.low:+.3f}, {one.high:+.3f}]"
        parts.append(svg.dot(_scaled(one.mean, -reach, reach), y, fill, title=said, hollow=not one.sure))
    return "".join(parts), bottom + 30


def _tick(x: float, y: float, words: str) -> str:
    return svg.text(x, y, words, size=11, anchor="middle")


def _curve_plot(found: Sequence[Curve], arms: Sequence[str]) -> Piece:
    """Draw recall of the unanswerable over false abstentions; the ring is what the server did by its own rule."""
    if not found:
        return "", 0
    parts = [svg.text(20, 22, "Abstention: unanswerable questions caught, for false abstentions", size=14, bold=True)]
    parts.append(_frame([(f"{t:g}", t) for t in (0, 0.25, 0.5, 0.75, 1)], "false abstentions", "caught"))
    edge = _across(FALSE_AT_MOST)
    parts.append(svg.line(edge, _up(0), edge, _up(1), stroke=svg.INK, dash="3 4"))
    parts.append(svg.text(edge + 5, _up(0) - 6, f"{FALSE_AT_MOST:.0%}", size=11))
    for curve in found:
        fill = svg.colour(arms.index(curve.arm))
        parts.append(svg.path([(_across(p.false_abstentions), _up(p.recall)) for p in curve.points], fill))
        caught, false = curve.as_served
        parts.append(svg.dot(_across(false), _up(caught), fill, hollow=True, radius=6, title=f"{curve.arm}, as served"))
    return "".join(parts), _PLOT + 96


def _price_plot(rows: Sequence[ArmScores]) -> Piece:
    """Draw dollars a question against the share answered right; the line joins what nothing cheaper beats."""
    priced = [
        (place, row, row.answers) for place, row in enumerate(rows) if row.answers and row.answers.right is not None
    ]
    if not any(answers.cost_usd for _place, _row, answers in priced):
        return "", 0
    places = {row.arm: (answers.usd_per_question, answers.right or 0.0) for _place, row, answers in priced}
    most = max(cost for cost, _right in places.values())
    ticks = _money_ticks(most)
    top = float(ticks[-1])
    parts = [svg.text(20, 22, "Share answered right, for dollars a question", size=14, bold=True)]
    parts.append(_frame([(f"${dollars(tick)}", float(tick) / top) for tick in ticks], "dollars a question", "right"))
    unbeaten = front(places)
    best = sorted((places[arm] for arm in unbeaten), key=lambda place: place[0])
    parts.append(svg.path([(_across(float(cost) / top), _up(right)) for cost, right in best], svg.FAINT, width=3))
    for place, row, _answers in priced:
        cost, right = places[row.arm]
        x, y = _across(float(cost) / top), _up(right)
        said = f"{row.arm}: {right:.1%} right at ${dollars(cost)} a question"
        parts.append(svg.dot(x, y, svg.colour(place), radius=7, title=said, hollow=row.arm not in unbeaten))
        anchor = "start" if x < _across(0.1) else "end" if x > _across(0.8) else "middle"
        parts.append(svg.text(x, y - 14, row.arm, anchor=anchor, halo=True))
    return "".join(parts), _PLOT + 96


def _money_ticks(most: Decimal) -> list[Decimal]:
    """Give four or five round amounts from 0 to a little over the dearest."""
    step = Decimal(10) ** math.floor((most / 4).log10())
    step *= next(times for times in (1, 2, 5, 10) if step * times * 4 >= most)
    return [step * n for n in range(math.ceil(most * Decimal("1.05") / step) + 1)]


def _frame(ticks: Sequence[tuple[str, float]], across: str, up: str) -> str:
    parts = [svg.text(_LEFT - 60, _up(0.5), up, anchor="end")]
    for words, share in ticks:
        parts += [svg.line(_across(share), _up(0), _across(share), _up(1)), _tick(_across(share), _up(0) + 16, words)]
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts.append(svg.line(_across(0), _up(share), _across(1), _up(share)))
        parts.append(svg.text(_across(0) - 10, _up(share) + 4, f"{share:.0%}", size=11, anchor="end"))
    parts.append(_tick(_across(0.5), _up(0) + 34, across))
    return "".join(parts)


def _across(share: float) -> float:
    return _LEFT + share * (_RIGHT - _LEFT)


def _up(share: float) -> float:
    return 44 + _PLOT * (1 - share)
