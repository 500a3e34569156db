"""The words of a text that carry its meaning."""

from moat.sparse import terms

# Function words of English questions, stemmed as `moat.sparse.terms` stems; others are told by their rarity.
STOP_WORDS = frozenset(
    terms(
        "a about after all am an and any are as at be been before being but by can could did do does doing for from "
        "had has have having he her here him his how i if in into is it its itself just like me more most much must "
        "my need no nor not of off on once one only or other our out over own please same she should so some such "
        "t s than that the their them then there these they this those through to too under until up us very was we "
        "were what when where which while who whom whose why will with would you your tell many long"
    )
)


def content_terms(text: str) -> list[str]:
    """Split into stemmed words without function words."""
    return [term for term in terms(text) if term not in STOP_WORDS]
