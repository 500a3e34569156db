"""Citations name the page on which their quote stands, also where a passage runs over a page's end."""

from dataclasses import replace

import pytest

from answering.quote import cite, sentences_of
from tests.fakes.passages import passage

TEXT = "The van leaves at seven. It returns at noon. Tickets are free."


@pytest.mark.parametrize(("number", "page"), [(0, 4), (1, 5), (2, 6)])
def test_a_quote_has_the_page_it_stands_on(number: int, page: int) -> None:
    starts = ((5, 1000 + TEXT.index("It returns")), (6, 1000 + TEXT.index("Tickets")))
    long = replace(passage(TEXT, start=1000, page=4), page_starts=starts)
    cited = cite(1, sentences_of([long])[number], 0.5, "")
    assert cited.page == page
    assert cited.url.endswith(f"#page={page}")


def test_a_document_without_pages_names_none() -> None:
    cited = cite(1, sentences_of([passage(TEXT)])[0], 0.5, "")
    assert cited.page is None
    assert "#" not in cited.url
