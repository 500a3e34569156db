import { Client, Key, Problem, WidgetSession } from "./client.js";
import { h, icon, mark } from "./dom.js";
import { styles } from "./styles.js";
import { Turn } from "./turn.js";

const HOME = new URL("../..", import.meta.url).href; // the server that this module came from

/**
 * <moat-chat widget="wid_..." [signature-url] [server] [floating] [heading] [placeholder] [theme]>
 *
 * `signature-url` is an address of the page's own server, which answers with a signature for its visitor.
 * Properties for Moat's own page, never attributes: `token` (a key), `corpora` (ids or names to ask, null for all, or a
 * promise of them), `openDocument` (a function that shows a citation's document). Events: `moat-answer` and `moat-problem`.
 */
export class MoatChat extends HTMLElement {
  #root = this.attachShadow({ mode: "open" });
  #key = null;
  #client = null;
  #abort = null;
  #turns = [];
  #conversation = null; // its id, once the first answer has named it

  constructor() {
    super();
    // What the page set before this class was loaded lies on the element itself and would hide the accessor.
    const { token, corpora, openDocument } = this;
    delete this.token;
    this.corpora = corpora ?? null;
    this.openDocument = openDocument ?? null;
    if (token) this.token = token;
  }

  connectedCallback() {
    if (this.#root.childElementCount) return; // moved within the page: keep the conversation
    this.#root.adoptedStyleSheets = [styles()];
    this.build();
    this.#root.addEventListener("keydown", (event) => this.pressed(event));
  }

  disconnectedCallback() {
    this.#abort?.abort();
  }

  set token(key) {
    this.#key = key || null;
    this.#client = null;
  }

  get server() {
    return (this.getAttribute("server") || HOME).replace(/\/$/, "");
  }

  build() {
    const floating = this.hasAttribute("floating");
    const heading = this.getAttribute("heading") || "Ask the documents";
    const placeholder = this.getAttribute("placeholder") || "Ask a question";
    this.heading = heading;
    this.log = h("div", { class: "log" }, welcome(heading));
    this.status = h("p", { class: "unseen", role: "status", "aria-live": "polite" });
    const field = { rows: "1", placeholder, "aria-label": placeholder, enterkeyhint: "send" };
    this.question = h("textarea", { ...field, oninput: () => this.grow() });
    this.send = h("button", { class: "send", type: "submit", "aria-label": "Send", title: "Send" }, icon("send"));
    const submit = (event) => {
      event.preventDefault();
      if (this.#abort) this.#abort.abort();
      else this.submit();
    };
    const form = h("form", { onsubmit: submit }, h("div", { class: "field" }, this.question, this.send));
    const panel = { class: "panel", "aria-label": heading, id: "panel", role: floating ? "dialog" : "region" };
    this.panel = h("section", { ...panel, hidden: floating });
    if (floating) this.panel.append(this.header(heading));
    const anew = { class: "anew", type: "button", hidden: true, onclick: () => this.restart() };
    this.anew = h("button", anew, icon("plus"), "New conversation");
    this.panel.append(this.log, this.status, this.anew, form);
    this.#root.append(this.panel);
    if (floating) this.#root.append(this.launcherButton(heading));
  }

  header(heading) {
    const close = { type: "button", class: "close", "aria-label": "Close", onclick: () => this.close() };
    return h("header", {}, mark(), h("strong", {}, heading), h("button", close, icon("close")));
  }

  launcherButton(heading) {
    const open = () => (this.panel.hidden ? this.open() : this.close());
    const state = { type: "button", class: "launcher", "aria-controls": "panel", "aria-expanded": "false" };
    this.launcher = h("button", { ...state, "aria-label": heading, onclick: open }, mark());
    return this.launcher;
  }

  open() {
    this.panel.hidden = false;
    this.launcher?.setAttribute("aria-expanded", "true");
    this.question.focus();
  }

  close() {
    this.panel.hidden = true;
    this.launcher.setAttribute("aria-expanded", "false");
    this.launcher.focus();
  }

  pressed(event) {
    event.stopPropagation(); // the page's own shortcuts must not hear what is typed here
    if (event.isComposing) return; // Enter and Escape belong to the input method
    if (event.key === "Enter" && event.target === this.question && !event.shiftKey) {
      event.preventDefault();
      if (!this.#abort) this.submit();
    } else if (event.key === "Escape") {
      event.preventDefault();
      this.escape();
    }
  }

  /** Close the innermost open thing: a quote first, then the panel. */
  escape() {
    for (const turn of [...this.#turns].reverse()) {
      const marker = turn.openMarker;
      const inCard = turn.card.contains(this.#root.activeElement);
      if (!turn.open(null)) continue;
      if (inCard) turn.element.querySelector(`[data-marker="${marker}"]`)?.focus();
      return;
    }
    if (this.launcher) this.close();
  }

  submit() {
    const question = this.question.value.trim();
    if (!question) return;
    this.question.value = "";
    this.grow();
    this.ask(question);
  }

  /** Ask a question and show what comes; a second one waits until the first has ended or was stopped. */
  async ask(question) {
    if (this.#abort) return;
    const turn = this.newTurn(question);
    this.#abort = new AbortController();
    this.busy(true);
    try {
      const corpora = await this.corpora;
      const body = corpora?.length ? { question, corpora } : { question };
      for await (const { event, data } of this.answered(body, this.#abort.signal)) {
        const following = this.atEnd();
        turn.take(event, data);
        if (following) this.scrollToEnd();
        if (event === "done") {
          this.#conversation = data.conversation_id ?? null;
          this.tell("moat-answer", data);
        }
      }
    } catch (fault) {
      if (fault.name === "AbortError") turn.stopped();
      else this.failed(turn, fault);
    } finally {
      this.#abort = null;
      this.busy(false);
      this.scrollToEnd(turn);
    }
  }

  /** Ask within the conversation; one that the server no longer knows begins anew. */
  async *answered(body, signal) {
    if (this.#conversation) {
      try {
        yield* this.client().answer({ ...body, conversation_id: this.#conversation }, signal);
        return;
      } catch (problem) {
        if (problem.type !== "urn:moat:no_conversation") throw problem;
        this.#conversation = null;
        this.log.lastElementChild.before(h("p", { class: "begun" }, "A new conversation: what was asked above is no longer known."));
      }
    }
    yield* this.client().answer(body, signal);
  }

  /** Forget what was asked so far, so that the next question stands alone. */
  restart() {
    this.#abort?.abort();
    this.#conversation = null;
    this.#turns = [];
    this.anew.hidden = true;
    this.log.replaceChildren(welcome(this.heading));
    this.status.textContent = "A new conversation.";
    this.question.focus();
  }

  newTurn(question) {
    const turn = new Turn(question, {
      say: (text) => {
        if (this.#turns.includes(turn)) this.status.textContent = text; // not of one that was put away
      },
      retry: () => {
        this.ask(question);
        this.question.focus();
      },
      rate: (id, rating) => this.rate(id, rating),
      open: this.openDocument,
    });
    if (!this.#turns.length) this.log.replaceChildren();
    this.#turns.push(turn);
    this.log.append(turn.element);
    this.anew.hidden = false;
    this.status.textContent = "Searching the documents.";
    this.scrollToEnd();
    return turn;
  }

  client() {
    if (!this.#client) {
      const widget = this.getAttribute("widget");
      if (!this.#key && !widget) {
        const detail = "This chat was given no widget id.";
        throw new Problem({ title: "Not set up yet", detail, hint: "Set the attribute widget=\"wid_...\"." });
      }
      const credentials = this.#key ? new Key(this.#key) : new WidgetSession(this.server, widget, this.getAttribute("signature-url"));
      this.#client = new Client(this.server, credentials);
    }
    return this.#client;
  }

  failed(turn, fault) {
    const problem = fault instanceof Problem ? fault : new Problem({ detail: String(fault.message ?? fault) });
    turn.fail(problem);
    this.tell("moat-problem", problem);
  }

  async rate(id, rating) {
    try {
      await this.client().request(`/v1/answers/${id}/feedback`, { method: "POST", json: { rating, comment: "" } });
      this.status.textContent = "Thank you.";
      return true;
    } catch (problem) {
      this.status.textContent = `The rating was not kept. ${problem.message}`;
      return false;
    }
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  busy(working) {
    const label = working ? "Stop" : "Send";
    this.send.replaceChildren(icon(working ? "stop" : "send"));
    this.send.setAttribute("aria-label", label);
    this.send.title = label;
    this.send.classList.toggle("stop", working);
  }

  grow() {
    this.question.style.height = "auto";
    this.question.style.height = `${Math.min(this.question.scrollHeight, 160)}px`;
  }

  atEnd() {
    return this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 80;
  }

  /** Follow the text; of a finished turn that is taller than the view, show its question rather than its end. */
  scrollToEnd(turn) {
    const tall = turn && turn.element.offsetHeight > this.log.clientHeight;
    this.log.scrollTop = tall ? turn.element.offsetTop - this.log.offsetTop : this.log.scrollHeight;
  }
}

function welcome(heading) {
  const promise = "Every answer quotes the sentences it rests on, and says what it cost.";
  return h("div", { class: "welcome" }, mark(), h("p", { class: "lead" }, heading), h("p", {}, promise));
}

if (!customElements.get("moat-chat")) customElements.define("moat-chat", MoatChat);
