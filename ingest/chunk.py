"""Canonical text to chunks: whole paragraphs under their heading, up to the embedder's window."""

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ingest.clean import Block
from ingest.tokens import TokenMap
from moat.embedder import Embedder
from moat.records import CanonicalText, Chunk

_SPECIAL_TOKENS = 2
# One in so many small pieces (rows, list items, short lines) ends a chunk that is half full. They are so alike in
# length that one added at the top would otherwise move the border of every chunk below it, and all were embedded again.
_ANCHOR_EVERY = 32
# A sentence ends at its mark before white space and something that can begin one; CJK marks need no space.
_SENTENCE = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+(?=[\"'“‘(\[]?[A-Z0-9À-ÖØ-ÞА-Я])|(?<=[。！？])|\n+")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|vs|etc|approx|no|nos|fig|dr|mr|mrs|ms|st|jr|sr|inc|ltd|co|dept|p|pp)|\b[A-Z])\.$", re.I
)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A span that is not cut any further, with what it needs to know about its block."""

    start: int
    end: int
    tokens: int
    block: Block


def chunk(canonical: CanonicalText, blocks: Sequence[Block], embedder: Embedder, limit_tokens: int) -> list[Chunk]:
    """Cut the text into chunks of at most `limit_tokens` word pieces that together cover all of it."""
    limit = min(limit_tokens, embedder.max_tokens - _SPECIAL_TOKENS)
    tokens = TokenMap(canonical.text, embedder)
    groups = _pack(_sections(blocks), canonical.text, tokens, limit)
    return [_make(ordinal, group, canonical, tokens) for ordinal, group in enumerate(groups)]


def _sections(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """Gather the blocks under each heading."""
    section: list[Block] = []
    for block in blocks:
        # A heading right below another one stays with it: alone it would be a chunk that says nothing.
        if block.level and section and not all(b.level and b.level < block.level for b in section):
            yield section
            section = []
        section.append(block)
    if section:
        yield section


def _pack(sections: Iterator[list[Block]], text: str, tokens: TokenMap, limit: int) -> list[list[_Piece]]:
    """Fill chunks; a new section begins a new one unless one of the two is too small to stand alone."""
    stand_alone, scrap = limit // 2, limit // 8
    packer = _Packer(limit)
    for section in sections:
        needed = tokens.count(section[0].start, section[-1].end)
        together = packer.size + needed <= limit and min(packer.size, needed) < stand_alone
        if packer.size >= scrap and not (together and _may_join(packer.group, section[0])):
            packer.flush(0)
        for block in section:
            whole = tokens.count(block.start, block.end)
            # A paragraph stays whole if it fits here, or if the chunk is full enough to be closed before it.
            if packer.size + whole <= limit or (whole <= limit and packer.size >= stand_alone):
                pieces: Iterable[_Piece] = [_Piece(block.start, block.end, whole, block)]
            else:
                pieces = _cut(block, text, tokens, limit - packer.headings())
            for piece in pieces:
                packer.add(piece)
                small = piece.tokens <= scrap and not block.level
                if small and packer.size >= stand_alone and _is_anchor(text[piece.start : piece.end]):
                    packer.flush(0)
    packer.flush(0)
    return packer.full


class _Packer:
    """Gathers pieces into groups of at most `limit` tokens."""

    def __init__(self, limit: int) -> None:
        self.full: list[list[_Piece]] = []
        self.group: list[_Piece] = []
        self.size = 0
        self._limit = limit

    def add(self, piece: _Piece) -> None:
        if self.size + piece.tokens > self._limit:
            self.flush(piece.tokens)
        self.group.append(piece)
        self.size += piece.tokens

    def headings(self) -> int:
        """Count the tokens of a group that is only headings: what comes must leave room for them."""
        bare = all(piece.block.level for piece in self.group)
        return self.size if bare and self.size <= self._limit // 2 else 0

    def flush(self, coming: int) -> None:
        """Close the group, keeping headings at its end for what is coming, if both fit together."""
        kept = len(self.group)
        while coming and kept and self.group[kept - 1].block.level:
            kept -= 1
        carried = self.group[kept:]
        size = sum(piece.tokens for piece in carried)
        if not kept or size + coming > self._limit:
            kept, carried, size = len(self.group), [], 0
        if kept:
            self.full.append(self.group[:kept])
        self.group, self.size = carried, size


def _is_anchor(text: str) -> bool:
    return zlib.crc32(text.encode()) % _ANCHOR_EVERY == 0


def _may_join(group: list[_Piece], heading: Block) -> bool:
    """Siblings and their children may share a chunk; a heading higher than the chunk's own opens another subject."""
    if not group or not heading.level:
        return True
    first = group[0].block
    return not first.level or heading.level >= first.level


def _cut(block: Block, text: str, tokens: TokenMap, limit: int) -> Iterator[_Piece]:
    """Cut a block at its lines or sentences, and what is still too long at words, at worst inside one."""
    for start, end in block.lines or _sentences(text, block.start, block.end):
        while tokens.count(start, end) > limit:
            cut = _word_end(text, start, tokens.reach(start, limit) or end)
            yield _Piece(start, cut, tokens.count(start, cut), block)
            start = cut
        if start < end:
            yield _Piece(start, end, tokens.count(start, end), block)


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for mark in _SENTENCE.finditer(text, start, end):
        if "\n" not in mark[0] and _ABBREVIATION.search(text, max(start, mark.start() - 8), mark.start()):
            continue
        if mark.end() > start:
            yield start, mark.end()
            start = mark.end()
    if start < end:
        yield start, end


def _word_end(text: str, start: int, end: int) -> int:
    """Step back to the last white space, if there is one in the second half."""
    for back in range(end, start + (end - start) // 2, -1):
        if text[back - 1].isspace():
            return back
    return end


def _make(ordinal: int, group: list[_Piece], canonical: CanonicalText, tokens: TokenMap) -> Chunk:
    text, (start, end) = canonical.text, (group[0].start, group[-1].end)
    raw = text[start:end]
    start += len(raw) - len(raw.lstrip())
    end -= len(raw) - len(raw.rstrip())
    path = group[0].block.heading_path
    for piece in group:
        path = _shared(path, piece.block.heading_path)
    inside = tuple((span.page, span.start) for span in canonical.page_map if start < span.start < end)
    return Chunk(ordinal, text[start:end], start, end, group[0].block.page, path, tokens.count(start, end), inside)


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    same = 0
    while same < min(len(one), len(other)) and one[same] == other[same]:
        same += 1
    return one[:same]
