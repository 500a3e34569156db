"""BM25 as sparse vectors: term weights here, inverse document frequency in Qdrant."""

import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import PurePosixPath

import mmh3
import Stemmer

from moat.records import SparseVector

# Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), usual constants.
K1 = 1.2
B = 0.75
# Chunks are cut to a token budget, so their mean length is a constant and no corpus statistic is needed.
AVERAGE_WORDS = 160.0
ENGLISH = "en"
# Snowball's stemmers by ISO 639-1; words of other languages stay as they are.
_STEMMERS = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek", "en": "english",
    "es": "spanish", "et": "estonian", "eu": "basque", "fa": "persian", "fi": "finnish", "fr": "french", "ga": "irish",
    "hi": "hindi", "hu": "hungarian", "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian",
    "nb": "norwegian", "ne": "nepali", "nl": "dutch", "no": "norwegian", "pl": "polish", "pt": "portuguese",
    "ro": "romanian", "ru": "russian", "sr": "serbian", "sv": "swedish", "ta": "tamil", "tr": "turkish",
}  # fmt: skip
# Scripts that put no spaces between words: Thai to Khmer, kana, ideographs, hangul (which glues particles to words).
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
# Vowel signs and accents are part of a word, though Python's \w leaves them out.
_MARKS = "".join(chr(c) for c in range(0x300, 0x3000) if unicodedata.category(chr(c)) in ("Mn", "Mc"))
_PLAIN = re.compile(r"\w+", re.ASCII)
_RUN = re.compile(rf"(?P<unspaced>[{_UNSPACED}{_MARKS}]+)|(?:(?![{_UNSPACED}])[\w{_MARKS}])+")
_IN_A_NAME = re.compile(r"[^\W_]+")
_RUN_OF_ONE_KIND = re.compile(r"[^\W\d_]+|\d+")
_LONG_NUMBER = re.compile(r"\d{3,}")
# Of longer questions, which are texts, no two words are put together to look for a name.
_JOINED_AT_MOST = 60
# Shorter words make other words of each other: "in to", "on line".
_SHORTEST_JOINED = 3
_stemmers = threading.local()


def terms(text: str, language: str = ENGLISH) -> list[str]:
    """Split into lower-case words, stemmed as this language is; scripts without spaces become pairs of characters.

    A name joined by underscores counts as a whole and by its parts.
    """
    lower = text.lower()
    found = _PLAIN.findall(lower) if lower.isascii() else list(_words(unicodedata.normalize("NFC", lower)))
    found += [part for word in found if "_" in word for part in word.split("_") if part]
    stemmer = _stemmer(language)
    stemmed: list[str] = stemmer.stemWords(found) if stemmer else found
    return stemmed


def name_words(name: str) -> str:
    """Spell out what a file's name tells: `ACME_2022_10K.pdf` is about ACME, about 2022 and about a 10K (10, K)."""
    stem = PurePosixPath(name).stem
    return " ".join(dict.fromkeys([*_IN_A_NAME.findall(stem), *_RUN_OF_ONE_KIND.findall(stem)]))


def encode_chunk(text: str, language: str = ENGLISH) -> SparseVector:
    """Weigh a chunk's terms by BM25 without the IDF factor."""
    counts = Counter(_hash(term) for term in terms(text, language))
    length = sum(counts.values())
    norm = K1 * (1 - B + B * length / AVERAGE_WORDS)
    return SparseVector(tuple(counts), tuple(f * (K1 + 1) / (f + norm) for f in counts.values()))


def encode_question(text: str, languages: Collection[str] = (ENGLISH,)) -> SparseVector:
    """Give each of a question's terms the weight one, in the form that it has in each of the languages searched.

    Names are often written in one (`AmericanExpress`, `FY2022`): such spellings are looked for beside the words.
    """
    asked = f"{text} {' '.join(_other_spellings(text))}"
    unique = tuple(dict.fromkeys(_hash(term) for language in languages for term in terms(asked, language)))
    return SparseVector(unique, (1.0,) * len(unique))


def _other_spellings(text: str) -> Iterator[str]:
    """Write a question's words as names have them: neighbours as one word, the year out of FY2022."""
    words = _PLAIN.findall(text.lower())
    if len(words) > _JOINED_AT_MOST:
        return
    yield from (year for word in words if not word.isdigit() for year in _LONG_NUMBER.findall(word))
    for length in (2, 3):
        runs = zip(*(words[start:] for start in range(length)), strict=False)
        yield from ("".join(run) for run in runs if all(w.isalpha() and len(w) >= _SHORTEST_JOINED for w in run))


def _words(text: str) -> Iterator[str]:
    for run in _RUN.finditer(text):
        if run["unspaced"] is None or len(run[0]) == 1:
            yield run[0]
        else:
            yield from (run[0][at : at + 2] for at in range(len(run[0]) - 1))


def _stemmer(language: str) -> Stemmer.Stemmer | None:
    algorithm = _STEMMERS.get(language)
    if algorithm is None:
        return None
    stemmer = getattr(_stemmers, algorithm, None)
    if stemmer is None:  # Snowball's C stemmers are not safe across threads
        stemmer = Stemmer.Stemmer(algorithm)
        setattr(_stemmers, algorithm, stemmer)
    return stemmer


def _hash(term: str) -> int:
    return mmh3.hash(term, signed=False)
