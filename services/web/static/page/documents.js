import { h, icon } from "../chat/dom.js";
import { problemNote } from "./dialog.js";

const WORKING = new Set(["queued", "parsing", "embedding", "deleting"]);
const FAILED = new Set(["failed", "quarantined", "cancelled"]);
const POLL_MS = 1000;
const PAGE = 100;

/** The documents of one corpus, kept current for as long as anything is in work. */
export class DocumentList {
  constructor(client, corpusId, say, onUnauthenticated) {
    this.client = client;
    this.path = `/v1/corpora/${encodeURIComponent(corpusId)}/documents`;
    this.say = say;
    this.onUnauthenticated = onUnauthenticated;
    this.rows = new Map();
    this.pages = 1;
    this.count = h("span", { class: "count" });
    this.items = h("ul", { class: "list" });
    this.foot = h("div", { class: "foot" });
    this.element = h("div", { class: "documents" }, h("h2", {}, "Documents", this.count), this.items, this.foot);
    this.onReturn = () => document.visibilityState === "visible" && this.refresh();
    document.addEventListener("visibilitychange", this.onReturn);
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.onReturn);
  }

  /** Fetch and show the list, and look again in a second while something is in work. */
  async refresh() {
    clearTimeout(this.timer);
    const turn = (this.turn = (this.turn ?? 0) + 1);
    try {
      const { documents, counts, more } = await this.load();
      if (this.stopped || turn !== this.turn) return; // a later refresh is under way and knows better
      this.show(documents, counts, more);
      // The counts are those of the whole corpus: work on documents further down counts too.
      const inWork = Object.keys(counts).some((state) => WORKING.has(state));
      if (inWork) this.timer = setTimeout(() => this.refresh(), POLL_MS);
    } catch (problem) {
      if (this.stopped || turn !== this.turn) return;
      if (problem.status === 401) return this.onUnauthenticated(problem);
      this.foot.replaceChildren(problemNote(problem, { retry: () => this.refresh() }));
      if (problem.status === 0 || problem.status >= 500) this.timer = setTimeout(() => this.refresh(), 5 * POLL_MS);
    }
  }

  async load() {
    const documents = [];
    let counts = {};
    let cursor = null;
    for (let page = 0; page < this.pages && (page === 0 || cursor); page++) {
      const from = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
      const answer = await this.client.json(`${this.path}?limit=${PAGE}${from}`);
      documents.push(...answer.items);
      cursor = answer.next_cursor;
      counts = answer.counts;
    }
    return { documents, counts, more: cursor !== null };
  }

  show(documents, counts, more) {
    const present = new Set(documents.map(({ id }) => id));
    for (const [id, row] of this.rows) if (!present.has(id)) this.drop(id, row);
    documents.forEach((document, index) => {
      const row = this.rows.get(document.id) ?? this.add(document.id);
      row.update(document);
      if (this.items.children[index] !== row.element) this.items.insertBefore(row.element, this.items.children[index]);
    });
    const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
    this.count.textContent = total ? total.toLocaleString("en-US") : "";
    const empty = h("p", { class: "empty" }, "Nothing here yet. Add a few files, then ask.");
    const next = () => {
      this.pages += 1;
      this.refresh();
    };
    const button = more && h("button", { type: "button", class: "small", onclick: next }, "Show more");
    this.foot.replaceChildren(...[documents.length ? null : empty, button].filter(Boolean));
  }

  add(id) {
    const row = new Row((method, suffix) => this.act(id, method, suffix));
    this.rows.set(id, row);
    return row;
  }

  drop(id, row) {
    row.element.remove();
    this.rows.delete(id);
  }

  async act(id, method, suffix) {
    await this.client.request(`/v1/documents/${encodeURIComponent(id)}${suffix}`, { method });
    this.say(method === "DELETE" ? "The document is being deleted." : "The document is being read again.");
    await this.refresh();
  }
}

/** One document; drawn anew only when it changed, so that the keyboard's focus stays where it is. */
class Row {
  constructor(act) {
    this.act = act;
    this.element = h("li", { class: "document" });
  }

  update(document) {
    const drawn = JSON.stringify(document);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    this.document = document;
    this.draw();
  }

  draw(below = null) {
    const { key, name, state, progress, error, hint } = this.document;
    const retry = FAILED.has(state) && this.button("retry", `Try ${name} again`, () => this.attempt("POST", "/retry"));
    const remove = state !== "deleting" && this.button("trash", `Delete ${name}`, () => this.confirm());
    const working = WORKING.has(state) && state !== "deleting";
    const named = h("p", { class: "name", title: key }, name);
    const share = state === "queued" ? null : progress; // no value: the bar says "in work" without saying how far
    const parts = [
      icon("file"),
      h("div", { class: "what" }, named, h("p", { class: "meta" }, meta(this.document))),
      h("div", { class: "tools" }, retry, remove),
      working && h("progress", { max: "1", value: share, "aria-label": `${state} ${name}` }),
      FAILED.has(state) && problemNote({ detail: error || `This document is ${state}.`, hint }),
      below,
    ];
    this.element.dataset.state = state;
    this.element.replaceChildren(...parts.filter(Boolean));
  }

  confirm() {
    const keep = h("button", { type: "button", class: "small", onclick: () => this.draw() }, "Keep");
    const go = () => this.attempt("DELETE", "");
    const sure = h("button", { type: "button", class: "small danger", onclick: go }, "Delete");
    const escape = (event) => event.key === "Escape" && this.draw();
    const text = h("span", {}, "Delete it and forget its text?");
    const ask = h("div", { class: "confirm", onkeydown: escape }, text, sure, keep);
    this.draw(ask);
    keep.focus();
  }

  async attempt(method, suffix) {
    try {
      await this.act(method, suffix);
    } catch (problem) {
      this.draw(problemNote(problem));
    }
  }

  button(name, label, onclick) {
    const names = { type: "button", class: "quiet", "aria-label": label, title: label };
    return h("button", { ...names, onclick }, icon(name));
  }
}

const DOING = { queued: "waiting", parsing: "reading", embedding: "indexing" };

function meta({ state, progress, pages, chunks, created_at: createdAt }) {
  if (state !== "ready") {
    const share = state !== "queued" && state in DOING && progress ? ` ${Math.round(progress * 100)} %` : "";
    return (DOING[state] ?? state) + share;
  }
  const counted = (n, word) => (n ? `${n.toLocaleString("en-US")} ${word}${n === 1 ? "" : "s"}` : null);
  return [counted(pages, "page"), counted(chunks, "chunk"), ago(createdAt)].filter(Boolean).join(" · ");
}

function ago(iso) {
  const seconds = (Date.now() - Date.parse(iso)) / 1000;
  if (!Number.isFinite(seconds)) return null;
  if (seconds < 90) return "just now";
  const format = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  const [size, unit] = seconds < 5400 ? [60, "minute"] : seconds < 86_400 ? [3600, "hour"] : [86_400, "day"];
  return format.format(-Math.round(seconds / size), unit);
}
