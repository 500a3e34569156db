"""What leaves in an answer's text is no link, no image and no markup, whatever renders it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from answering.inert import REMOVED, Inert
from tests.fakes.careless_client import active_tags, reached
from tests.fakes.obedient_model import WAYS_TO_LINK

KNOWN = "See https://travel.example.com/book?x=1 and www.known.org, or mail hr@corp.example. Use os.path.join(x)."

PARTS = (
    "http", "https", ":", "/", "//", "\\", "evil.example", "]", "(", ")", "[", "!", "<", ">", "a", "img src=", "&#58;",
    "&lt;", "\u200b", "\n", " ", "1", ".", "www.", "@", "javascript",
)  # fmt: skip


@pytest.mark.parametrize("way", WAYS_TO_LINK)
@pytest.mark.parametrize("url", ["http://evil.example/x?q=secret", "https://10.0.0.1:8/?secret=1", "https://evil/s"])
def test_no_way_to_link_leads_anywhere(way: str, url: str) -> None:
    text = way.replace("URL", url).replace("BARE", url.split("://")[1])
    inert = Inert([KNOWN]).clean(text)
    assert reached(inert) == []
    assert active_tags(inert) == set()
    assert "secret" not in inert or "[99]" in way  # markers are the checker's to take out


@given(st.lists(st.sampled_from(PARTS), max_size=14))
@example(["www.", "&#58;", "evil.example"])
def test_no_mixture_of_parts_leads_anywhere(parts: list[str]) -> None:
    inert = Inert([KNOWN])
    text = "".join(inert.clean(piece) for piece in _sentences("".join(parts)))
    assert [address for address in reached(text) if "evil" in address] == []
    assert active_tags(text) - {"a"} == set()


def _sentences(text: str) -> list[str]:
    """Cut behind line ends, as answers are cut."""
    return text.splitlines(keepends=True)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Book at https://travel.example.com/book?x=1.", "Book at travel[.]example[.]com/book?x=1."),
        ("Or www.known.org, or hr@corp.example", "Or www[.]known[.]org, or hr@corp.example"),
        ("Use os.path.join(x) for <5 % and 3:4 at 10:30", "Use os.path.join(x) for <5 % and 3:4 at 10:30"),
        ("It is so![1] See [1]: yes", "It is so! [1] See [1]: yes"),
        ("C:\\Users\\x and/or docs/setup.md e.g. this", "C:\\Users\\x and/or docs/setup.md e.g. this"),
        ("https://travel.example.com/book?x=1&secret=2", REMOVED),
    ],
)
def test_addresses_of_the_sources_stay_readable_and_plain_text_stays(text: str, shown: str) -> None:
    assert Inert([KNOWN]).clean(text) == shown


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("[Portal](https://ok.example/a?b=1)", True),
        ("https://OK.example/a", True),
        ("https://wiki.corp.example/a", True),
        ("https://ok.example.evil.example/a", False),
        ("https://user@ok.example/a", False),
        ("https://ok.example\\@evil.example/", False),
        ("https://corp.example/", False),
        ("https://evilcorp.example/", False),
        ("javascript://ok.example/%0aalert(1)", False),
        ("http://ok.example:99999/", False),
    ],
)
def test_links_lead_to_allowed_hosts_alone(text: str, kept: bool) -> None:
    inert = Inert([], ["ok.example", "*.corp.example"])
    assert (inert.clean(text) == text) == kept
    assert bool(inert.links) == kept
    assert ("link_removed" in inert.flags) != kept


def test_image_of_an_allowed_host_becomes_a_link() -> None:
    inert = Inert([], ["ok.example"])
    assert inert.clean("![a](https://ok.example/i.png)") == "! [a](https://ok.example/i.png)"
    assert inert.flags == {"image_removed"}


def test_pieces_do_not_make_a_link_together() -> None:
    inert = Inert([])
    assert inert.clean("So。[1]") + inert.clean("(x)") == "So。[1] (x)"
