import { callCells, costLine } from "./cost.js";
import { h, icon } from "./dom.js";
import { renderText } from "./text.js";

const INSTRUCTIONS = "This passage reads like instructions to a language model. Check it before you rely on it.";
let turns = 0;

/** One question and what came of it, from the first event to the thumbs. */
export class Turn {
  /** `actions`: say(text), retry(), rate(id, rating), and open(citation) or null where documents cannot be opened. */
  constructor(question, actions) {
    this.actions = actions;
    this.cardId = `quote-${++turns}`;
    this.startedAt = performance.now();
    this.text = "";
    this.links = new Set(); // the addresses that the finished answer allows to be links
    this.citations = new Map(); // marker → the citations that carry it
    this.openMarker = null;
    this.status = h("p", { class: "working" }, "Searching the documents");
    this.body = h("div", { class: "body" });
    this.card = h("div", { class: "card", id: this.cardId, hidden: true });
    this.sources = h("ol", { class: "sources", hidden: true });
    this.end = h("footer", { class: "end" });
    this.block = h("div", { class: "answer", "data-state": "working" });
    this.block.append(this.status, this.body, this.card, this.sources, this.end);
    this.element = h("article", { class: "turn" }, h("h3", { class: "question" }, question), this.block);
  }

  /** Take one event of the stream. */
  take(event, data) {
    if (event === "sources") this.found(data.passages);
    else if (event === "token") this.write(data.text);
    else if (event === "citation") this.cite(data);
    else if (event === "done") this.finish(data);
  }

  found(passages) {
    const documents = new Set(passages.map((passage) => passage.document_id)).size;
    const counted = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
    this.status.textContent = passages.length
      ? `Reading ${counted(passages.length, "passage")} of ${counted(documents, "document")}`
      : "Nothing fits yet";
  }

  write(text) {
    this.text += text;
    this.status.hidden = true;
    this.renderSoon();
  }

  cite(citation) {
    const same = this.citations.get(citation.marker) ?? [];
    this.citations.set(citation.marker, [...same, citation]);
    this.renderSoon();
  }

  /** The whole answer is authoritative: whatever was streamed is drawn anew from it. */
  finish(answer) {
    this.text = answer.answer;
    this.links = new Set(answer.links ?? []);
    this.citations.clear();
    for (const citation of answer.citations) {
      this.citations.set(citation.marker, [...(this.citations.get(citation.marker) ?? []), citation]);
    }
    this.settle(answer.abstained ? "abstained" : "done");
    if (answer.abstained) this.body.prepend(h("p", { class: "label" }, "Not found in the documents"));
    if (answer.note) this.body.append(h("p", { class: "note" }, answer.note));
    this.end.replaceChildren(this.cost(answer), this.thumbs(answer.id));
    this.actions.say(`${answer.abstained ? "Not found in the documents. " : ""}${answer.answer}`);
  }

  stopped() {
    this.settle("stopped");
    this.end.replaceChildren(h("p", { class: "label" }, "Stopped"), this.retryButton("Ask again"));
    this.actions.say("Stopped.");
  }

  fail(problem) {
    this.settle("failed");
    const told = [h("strong", {}, problem.title), problem.detail && h("p", {}, problem.detail)];
    const hint = problem.hint && h("p", { class: "hint" }, problem.hint);
    this.end.replaceChildren(h("div", { class: "problem" }, told, hint, this.retryButton("Try again")));
    this.actions.say([problem.title, problem.detail, problem.hint].filter(Boolean).join(" "));
  }

  settle(state) {
    cancelAnimationFrame(this.frame);
    this.frame = undefined;
    this.status.hidden = true;
    this.block.dataset.state = state;
    this.render();
  }

  renderSoon() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      this.render();
    });
  }

  render() {
    // Drawing anew replaces the marker that has the focus; give the focus to its successor.
    const focused = this.element.getRootNode().activeElement;
    const place = this.body.contains(focused) ? [...this.body.querySelectorAll(".marker")].indexOf(focused) : -1;
    this.body.replaceChildren(renderText(this.text, (number) => this.marker(number), this.links));
    if (place >= 0) this.body.querySelectorAll(".marker")[place]?.focus();
    const cited = [...this.citations.entries()].sort(([a], [b]) => a - b);
    this.sources.hidden = cited.length === 0;
    this.sources.replaceChildren(...cited.map(([number, [first]]) => h("li", {}, this.source(number, first))));
    if (!this.citations.has(this.openMarker)) this.openMarker = null;
    this.showCard();
  }

  marker(number) {
    const cited = this.citations.get(number);
    if (!cited) return null;
    return this.toggle(number, { class: "marker", "aria-label": `Source ${number}: ${place(cited[0])}` }, `${number}`);
  }

  source(number, citation) {
    const page = citation.page ? h("span", { class: "page" }, `p. ${citation.page}`) : null;
    const parts = [h("span", { class: "number" }, `${number}`), h("span", { class: "title" }, citation.title), page];
    return this.toggle(number, { class: "source" }, ...parts);
  }

  toggle(number, attributes, ...children) {
    const open = () => this.open(this.openMarker === number ? null : number);
    const state = { type: "button", "data-marker": number, "aria-controls": this.cardId };
    const expanded = String(this.openMarker === number);
    return h("button", { ...attributes, ...state, "aria-expanded": expanded, onclick: open }, ...children);
  }

  /** Show the quotes behind a marker, or none; used by Escape too, which asks whether anything was open. */
  open(number) {
    const wasOpen = this.openMarker;
    this.openMarker = number;
    this.showCard();
    if (number !== null) {
      this.card.scrollIntoView({ block: "nearest" });
      this.actions.say(this.citations.get(number).map((citation) => `${place(citation)}: ${citation.quote}`).join(" "));
    }
    return wasOpen !== null;
  }

  showCard() {
    for (const button of this.element.querySelectorAll("[data-marker]")) {
      button.setAttribute("aria-expanded", String(Number(button.dataset.marker) === this.openMarker));
    }
    const cited = this.citations.get(this.openMarker) ?? [];
    this.card.hidden = cited.length === 0;
    if (this.card.contains(this.element.getRootNode().activeElement)) return;
    this.card.replaceChildren(...cited.map((citation) => this.quote(citation)));
  }

  quote(citation) {
    const where = [citation.page && `Page ${citation.page}`, citation.corpus].filter(Boolean).join(" · ");
    const openDocument = () => this.actions.open(citation);
    return h(
      "figure",
      {},
      h("figcaption", {}, h("strong", {}, citation.title), h("span", {}, where)),
      h("blockquote", {}, citation.quote),
      citation.flags?.length > 0 && h("p", { class: "note" }, INSTRUCTIONS),
      this.actions.open && h("button", { type: "button", class: "link", onclick: openDocument }, "Open document"),
    );
  }

  cost(answer) {
    const elapsedMs = answer.timings?.total_ms ?? performance.now() - this.startedAt;
    const line = costLine(answer, elapsedMs / 1000);
    const calls = answer.cost?.calls ?? [];
    if (!calls.length) return h("p", { class: "cost" }, line);
    const head = ["Call", "Model", "In", "Out", "Cost", "Status"].map((name) => h("th", { scope: "col" }, name));
    const rows = calls.map((call) => h("tr", {}, callCells(call).map((cell) => h("td", {}, cell))));
    const table = h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows));
    return h("details", { class: "cost" }, h("summary", {}, line), h("div", { class: "calls" }, table));
  }

  thumbs(answerId) {
    const group = h("div", { class: "thumbs", role: "group", "aria-label": "Was this answer good?" });
    const thumb = (rating, label) => {
      const rate = async () => {
        if (!(await this.actions.rate(answerId, rating))) return;
        for (const other of group.children) other.setAttribute("aria-pressed", String(other === button));
      };
      const names = { type: "button", "aria-pressed": "false", "aria-label": label, title: label };
      const button = h("button", { ...names, onclick: rate }, icon(rating));
      return button;
    };
    group.append(thumb("up", "Good answer"), thumb("down", "Bad answer"));
    return group;
  }

  retryButton(label) {
    return h("button", { type: "button", class: "retry", onclick: this.actions.retry }, icon("retry"), label);
  }
}

function place(citation) {
  return citation.page ? `${citation.title}, page ${citation.page}` : citation.title;
}
