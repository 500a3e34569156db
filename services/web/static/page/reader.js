import { h } from "../chat/dom.js";
import { openDialog, problemNote } from "./dialog.js";

/** Show a citation's document as plain text, at the quote. */
export async function openReader(client, citation) {
  const place = h("div", { class: "text", tabindex: "0" }, h("p", { class: "empty" }, "Opening"));
  openDialog(citation.title, place).classList.add("reader");
  try {
    const document = await client.json(`/v1/documents/${encodeURIComponent(citation.document_id)}/text`);
    place.replaceChildren(...pages(document, citation));
    place.querySelector("mark")?.scrollIntoView({ block: "center" });
  } catch (problem) {
    place.replaceChildren(problemNote(problem));
  }
}

function pages({ text, page_map: pageMap = [] }, { quote, span }) {
  const at = quoteSpan(text, quote, span);
  const offsets = codeUnits(text);
  const bounds = pageMap.length ? pageMap : [{ page: null, start: 0, end: Infinity }];
  const shown = bounds.map(({ page, start, end }) => {
    const words = h("div", { class: "page" }, marked(text, offsets(start), offsets(end), at));
    return h("section", {}, page && h("h3", {}, `Page ${page}`), words);
  });
  if (at) return shown;
  const changed = "The document has changed since this answer: the quote no longer stands in it.";
  return [h("p", { class: "hint" }, changed), ...shown];
}

/** The quote's place in UTF-16 units; searched for when a newer text stands at the span. */
function quoteSpan(text, quote, [start, end]) {
  const offsets = codeUnits(text);
  const span = [offsets(start), offsets(end)];
  if (text.slice(...span) === quote) return span;
  const found = text.indexOf(quote);
  return found < 0 ? null : [found, found + quote.length];
}

function marked(text, start, end, at) {
  if (!at || at[1] <= start || at[0] >= end) return [text.slice(start, end)];
  const [from, to] = [Math.max(at[0], start), Math.min(at[1], end)];
  return [text.slice(start, from), h("mark", {}, text.slice(from, to)), text.slice(to, end)];
}

/** Give a function from code points, in which the server counts, to the UTF-16 units of JavaScript's strings. */
export function codeUnits(text) {
  if (!/[\u{10000}-\u{10ffff}]/u.test(text)) return (point) => Math.min(point, text.length);
  const starts = [];
  for (let unit = 0; unit < text.length; unit += text.codePointAt(unit) > 0xffff ? 2 : 1) starts.push(unit);
  return (point) => starts[point] ?? text.length;
}
