import { h } from "./dom.js";
import { linked } from "./links.js";

const LIST_ITEM = /^\s*(?:[-*•]|(\d{1,3})[.)])\s+(.*)$/;
const INLINE = /(\*\*[^*\n]+\*\*|`[^`\n]+`|\[\d{1,3}\]|\[unverified\])/;
const UNVERIFIED = "The cited sources do not hold what this sentence says. Check it before you rely on it.";

/**
 * Turn an answer's text into nodes: paragraphs, lists, bold and code, and each known marker as what `marker(n)` gives.
 * `marker` returns null for a number nobody cited; that stays plain text. `links` is the set of addresses that become
 * links. Everything is made as text nodes and by fixed tags: nothing of the answer is ever read as markup.
 */
export function renderText(text, marker, links) {
  const blocks = document.createDocumentFragment();
  let list = null;
  let paragraph = null;
  let code = null;
  for (const line of text.split("\n")) {
    if (line.trimStart().startsWith("```")) {
      code = code ? null : blocks.appendChild(h("pre"));
      list = paragraph = null;
      continue;
    }
    if (code) {
      code.append(`${line}\n`);
      continue;
    }
    const item = LIST_ITEM.exec(line);
    if (item) {
      const kind = item[1] ? "OL" : "UL";
      if (list?.tagName !== kind) list = blocks.appendChild(h(kind, { start: item[1] }));
      list.append(h("li", {}, inline(item[2], marker, links)));
      paragraph = null;
    } else if (!line.trim()) {
      list = paragraph = null;
    } else {
      const heading = /^#{1,6}\s+(.*)$/.exec(line);
      if (heading) {
        blocks.append(h("p", {}, h("strong", {}, inline(heading[1], marker, links))));
        paragraph = null;
      } else if (paragraph) {
        paragraph.append(" ", ...inline(line, marker, links));
      } else {
        paragraph = blocks.appendChild(h("p", {}, inline(line, marker, links)));
      }
      list = null;
    }
  }
  return blocks;
}

const JOINER = "\u2060"; // keeps a marker on the line of the word before it and of the full stop after it

function inline(text, marker, links) {
  const nodes = [];
  text.split(INLINE).forEach((part, index) => {
    const unverified = index % 2 && part === "[unverified]";
    const cited = index % 2 && !unverified && part.startsWith("[") ? marker(Number(part.slice(1, -1))) : null;
    if (cited) {
      if (typeof nodes.at(-1) === "string") nodes.push(nodes.pop().trimEnd());
      nodes.push(JOINER, cited, JOINER);
    } else if (unverified) nodes.push(h("mark", { class: "unverified", title: UNVERIFIED }, "unverified"));
    else if (index % 2 && part.startsWith("**")) nodes.push(h("strong", {}, part.slice(2, -2)));
    else if (index % 2 && part.startsWith("`")) nodes.push(h("code", {}, part.slice(1, -1)));
    else if (part.startsWith(" ") && nodes.at(-1) === JOINER) nodes.splice(-1, 1, part);
    else nodes.push(...linked(part, links));
  });
  return nodes;
}
