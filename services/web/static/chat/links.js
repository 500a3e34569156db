import { h } from "./dom.js";

const ADDRESS = /https?:\/\/[^\s<>"'`]+/g;
const TRAILING = /[.,;:!?)\]*_~]+$/;

/**
 * Split a text into strings and links. Only an address that the server named in the answer's `links` becomes one, and
 * only as http or https; it opens apart and tells the other site nothing of this page.
 */
export function linked(text, allowed) {
  if (!allowed?.size) return [text];
  const nodes = [];
  let at = 0;
  for (const found of text.matchAll(ADDRESS)) {
    const address = found[0].replace(TRAILING, "");
    if (!allowed.has(address) || !isWeb(address)) continue;
    const attributes = { href: address, target: "_blank", rel: "noopener noreferrer nofollow" };
    nodes.push(text.slice(at, found.index), h("a", attributes, address));
    at = found.index + address.length;
  }
  return [...nodes, text.slice(at)].filter((node) => node !== "");
}

function isWeb(address) {
  try {
    return ["http:", "https:"].includes(new URL(address).protocol);
  } catch {
    return false; // no address at all: it stays text
  }
}
