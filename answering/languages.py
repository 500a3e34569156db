"""In which languages a corpus is written, and a question asked: words are looked for as each of them stems them."""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from uuid import UUID

from sqlalchemy import func, select

from moat.database import Database
from moat.sparse import ENGLISH
from moat.tables import Document, LikenessRow

# Counting reads a row of every document: often enough for what changes with uploads, too much for each question.
KEPT_S = 60.0
# Of languages that fewer documents are in, most are mistakes about tables, codes and names.
_SHARE = 0.02
_AT_MOST = 5


class CorpusLanguages:
    """Tells the languages of corpora, commonest first, from what was found when their documents were indexed."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[UUID, tuple[float, tuple[str, ...]]] = {}
        self._lock = threading.Lock()

    def of(self, corpus_ids: Iterable[UUID], database: Database) -> tuple[str, ...]:
        """Name the languages of these corpora by ISO 639-1; English where nothing is known."""
        now = self._clock()
        wanted = list(corpus_ids)
        with self._lock:
            missing = [id_ for id_ in wanted if id_ not in self._known or now - self._known[id_][0] > KEPT_S]
        counted = _counted(missing, database) if missing else {}
        with self._lock:
            self._known |= {id_: (now, those) for id_, those in counted.items() if those}  # else it is being filled
            found = dict.fromkeys(language for id_ in wanted if id_ in self._known for language in self._known[id_][1])
        return tuple(found) or (ENGLISH,)


def language_of(question: str, languages: Sequence[str]) -> str:
    """Tell which of these languages a question is in; the first, the commonest, where it seems to be in none."""
    if len(languages) == 1:
        return languages[0]
    import py3langid  # its model takes a tenth of a second to read: only for corpora of several languages

    found = str(py3langid.classify(question)[0])
    return found if found in languages else languages[0]


def _counted(corpus_ids: Collection[UUID], database: Database) -> dict[UUID, tuple[str, ...]]:
    with database.reading() as session:
        rows = session.execute(
            select(Document.corpus_id, LikenessRow.language, func.count())
            .join(Document, Document.id == LikenessRow.document_id)
            .where(Document.corpus_id.in_(corpus_ids), LikenessRow.language != "")
            .group_by(Document.corpus_id, LikenessRow.language)
            .order_by(func.count().desc(), LikenessRow.language)
        ).all()
    found: dict[UUID, tuple[str, ...]] = {}
    for corpus_id in corpus_ids:
        counts = {language: count for id_, language, count in rows if id_ == corpus_id}
        least = _SHARE * sum(counts.values())
        found[corpus_id] = tuple(language for language, count in counts.items() if count >= least)[:_AT_MOST]
    return found
