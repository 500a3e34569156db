"""What a world of people, corpora and documents allows, in plain sets: no SQL, no filter, nothing of the product."""

import random
from dataclasses import dataclass, field

GROUPS = ("hr", "sales", "board", "lab")
USERS = ("ann", "bob", "cleo", "hr", "everyone")  # two are called like a group, which must give them nothing
KEYS = tuple(f"k{n}" for n in range(5))
EVERYONE = "everyone"
_LETTERS = "bcdfghjklmnpqrstvwxz"


@dataclass
class Person:
    """Someone who asks: with a key, as a widget's visitor, or as the admin, who reads all."""

    name: str
    groups: frozenset[str] = frozenset()
    within: frozenset[str] | None = None  # names of corpora that the key reaches
    reads_lists: bool = True
    uploads: bool = False
    is_admin: bool = False

    @property
    def principals(self) -> set[str]:
        return {EVERYONE, f"user:{self.name}", *(g for g in self.groups if g in GROUPS)}


@dataclass
class House:
    """A corpus."""

    name: str
    id: str
    access: set[str]


@dataclass
class Paper:
    """A document: `words` are the secrets of all its versions, `serving` the one that is found."""

    id: str
    corpus: str
    key: str
    access: set[str]
    wanted: set[str] | None  # who may read once the newest version serves; None: as it is
    words: list[str]
    serving: str | None = None
    indexed: int = 0  # versions; by the words alone, a return to an earlier text would not seem to wait

    @property
    def waits(self) -> bool:
        return self.indexed != len(self.words)


@dataclass
class World:
    """Everything that is true; what is deleted is not in it any more."""

    dice: random.Random
    people: list[Person] = field(default_factory=list)
    houses: dict[str, House] = field(default_factory=dict)
    papers: dict[str, Paper] = field(default_factory=dict)
    known_ids: set[str] = field(default_factory=set)  # of all documents and corpora there ever were
    known_words: dict[str, set[str]] = field(default_factory=dict)  # of every secret, the documents that say it

    def new_word(self, names: str = "") -> str:
        return names + "".join(self.dice.choices(_LETTERS, k=9))

    def some_access(self) -> set[str]:
        pool = [*GROUPS, *GROUPS, EVERYONE, *(f"user:{user}" for user in USERS)]
        return set(self.dice.sample(pool, self.dice.choice((0, 1, 1, 2, 3))))

    def corpora_of(self, who: Person) -> set[str]:
        reached = {name for name in self.houses if who.within is None or name in who.within}
        return {n for n in reached if who.is_admin or self.houses[n].access & who.principals}

    def papers_of(self, who: Person) -> set[str]:
        corpora = self.corpora_of(who)
        mine = (p for p in self.papers.values() if p.corpus in corpora)
        return {paper.id for paper in mine if who.is_admin or paper.access & who.principals}

    def found_by(self, who: Person) -> set[str]:
        return {id_ for id_ in self.papers_of(who) if self.papers[id_].serving is not None}

    def hidden_from(self, who: Person) -> set[str]:
        """Collect every secret and every id that must not come to this person's eyes."""
        seen, corpora = self.papers_of(who), self.corpora_of(who)
        words = {word for word, holders in self.known_words.items() if not holders & seen}
        names = {house.name for house in self.houses.values() if house.name not in corpora}
        readable = seen | {self.houses[name].id for name in corpora}
        return words | names | (self.known_ids - readable)

    def under_key(self, who: Person, corpus: str, key: str) -> Paper | None:
        """Find the oldest document of this key that the uploader may read."""
        seen = self.papers_of(who)
        return next((p for p in self.papers.values() if (p.corpus, p.key) == (corpus, key) and p.id in seen), None)

    def add_word(self, paper: Paper, word: str) -> None:
        paper.words.append(word)
        self.known_words.setdefault(word, set()).add(paper.id)

    def index(self) -> None:
        """Every newest version serves, to those it was meant for."""
        for paper in self.papers.values():
            paper.serving, paper.indexed = paper.words[-1], len(paper.words)
            if paper.wanted is not None:
                paper.access = set(paper.wanted)
