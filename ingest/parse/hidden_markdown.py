"""HTML inside of Markdown that is not seen where it is shown: taken out before the text is cut into blocks."""

import re
from html.parser import HTMLParser

from ingest.parse.hidden_html import Attributes, Sight
from moat.records import Element

# Most files hold none of it, and are not looked at further.
_MAY_HIDE = re.compile(
    r"<[a-z][^<>]*(?:\sstyle\s*=|\shidden\b|\scolor\s*=)|<(?:script|style|template|dialog)\b|^[ ]{0,3}<!--", re.I | re.M
)
_TOKEN = re.compile(
    r"^[ ]{0,3}(?P<fence>`{3,}|~{3,})[^\n]*$.*?(?:^[ ]{0,3}(?P=fence)[`~]*[ \t]*$|\Z)"  # code is shown as it is
    r"|(?P<code>(?<!`)(?P<ticks>`+)(?!`)[^\n]+?(?<!`)(?P=ticks)(?!`))"
    r"|(?P<tag></?[a-z][^<>]*>)"
    r"|(?P<comment>^[ ]{0,3}<!--.*\Z)"  # without an end; the others are gone
    r"|(?P<gap>\n[ \t]*\n)",
    re.I | re.M | re.S,
)
_SILENT = {"script", "style", "template"}
_VOID = {"br", "hr", "img", "input", "meta", "link", "area", "base", "col", "embed", "source", "track", "wbr"}
_SPACE = re.compile(r"\s+")


def take_hidden(text: str) -> tuple[str, list[Element]]:
    """Give the text without what is hidden, and that as marked elements; scripts and style sheets are dropped.

    Whole comments are expected to be gone.
    """
    if not _MAY_HIDE.search(text):
        return text, []
    looking = _Looking(text)
    at = 0
    for found in _TOKEN.finditer(text):
        looking.say(text[at : found.start()])
        if found["tag"]:
            looking.see(found["tag"])
        elif found["comment"]:
            looking.hidden.append(Element("text", _SPACE.sub(" ", found[0]).strip(), mark="hidden"))
        elif found["gap"]:
            looking.end_paragraph(found[0])
        else:
            looking.say(found[0])
        at = found.end()
    looking.say(text[at:])
    looking.end_hidden()
    return "".join(looking.seen), looking.hidden


class _Looking(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: list[str] = []
        self.hidden: list[Element] = []
        self._sight = Sight(text)
        self._skipped = ""  # the tag whose inside is not seen, and how deep in tags of its name
        self._depth = 0
        self._unseen: list[str] = []

    def see(self, tag: str) -> None:
        self.reset()  # each tag by itself: what Markdown makes of the text between them is not known here
        self.feed(tag)
        if not self._skipped:
            self.seen.append(tag)

    def say(self, text: str) -> None:
        if self._skipped or (self._sight.is_unseen and text.strip()):
            self._unseen.append("" if self._skipped in _SILENT else text)
        else:
            self.seen.append(text)

    def end_paragraph(self, gap: str) -> None:
        """A paragraph's tag holds for its own lines alone."""
        if self._skipped == "p":
            self.end_hidden()
        self._sight.leave("p")
        self.say(gap)

    def end_hidden(self) -> None:
        text = _SPACE.sub(" ", "".join(self._unseen)).strip()
        if text:
            self.hidden.append(Element("text", text, mark="hidden"))
        self._unseen.clear()
        self._skipped = ""

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        if self._skipped:
            self._depth += tag == self._skipped
            return
        hides = self._sight.mark(tag, attrs) == "hidden" or tag in _SILENT
        if tag in _VOID:
            return
        if hides:
            self._skipped, self._depth = tag, 1
        else:
            self._sight.enter(tag, is_block=tag in ("div", "p", "table", "ul", "ol"))

    def handle_endtag(self, tag: str) -> None:
        if tag == self._skipped:
            self._depth -= 1
            if not self._depth:
                self.end_hidden()
        elif not self._skipped:
            if self._sight.is_unseen:
                self.end_hidden()
            self._sight.leave(tag)
