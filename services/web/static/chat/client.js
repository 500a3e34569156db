import { serverEvents } from "./sse.js";

/** A refusal or failure as the server tells it: the fact in `detail`, the next step in `hint`. */
export class Problem extends Error {
  constructor({ type, title, status, detail, hint }) {
    super(detail || title || "Something went wrong.");
    this.type = type || "about:blank";
    this.title = title || "Something went wrong";
    this.status = status || 0;
    this.detail = detail || "";
    this.hint = hint || "";
  }
}

/** A key that the page was given by property. */
export class Key {
  constructor(value) {
    this.value = value;
  }

  async bearer() {
    return this.value;
  }

  async renew() {
    return false;
  }
}

/** Exchanges a publishable widget id for a short session, and again when the session ends. */
export class WidgetSession {
  constructor(server, widgetId, signatureUrl = null) {
    this.server = server;
    this.widgetId = widgetId;
    this.signatureUrl = signatureUrl;
    this.pending = null;
    this.renewAt = 0;
  }

  bearer() {
    if (!this.pending || Date.now() > this.renewAt) this.exchange();
    return this.pending;
  }

  async renew() {
    this.exchange();
    await this.pending;
    return true;
  }

  exchange() {
    this.pending = this.start().catch((problem) => {
      this.pending = null; // the next question tries again
      throw problem;
    });
  }

  async start() {
    this.renewAt = Infinity;
    const wanted = { widget_id: this.widgetId };
    if (this.signatureUrl) wanted.signature = await signature(this.signatureUrl);
    const response = await send(`${this.server}/v1/widget-sessions`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(wanted),
    });
    const session = await response.json();
    // A wrong clock here must not cause an exchange for every question; the server's 401 has the last word.
    this.renewAt = Math.max(Date.parse(session.expires_at) - 15_000, Date.now() + 60_000);
    return session.token;
  }
}

/** Speaks Moat's API with one set of credentials. */
export class Client {
  constructor(server, credentials) {
    this.server = server.replace(/\/$/, "");
    this.credentials = credentials;
  }

  /** Send one request and give its response; anything but success is thrown as a Problem. */
  async request(path, { method = "GET", json, signal, accept = "application/json" } = {}) {
    const attempt = async () => {
      const headers = { Accept: accept, Authorization: `Bearer ${await this.credentials.bearer()}` };
      if (json !== undefined) headers["Content-Type"] = "application/json";
      const body = json === undefined ? undefined : JSON.stringify(json);
      return send(this.server + path, { method, headers, body, signal });
    };
    try {
      return await attempt();
    } catch (problem) {
      if (problem.status !== 401 || !(await this.credentials.renew())) throw problem;
      return attempt();
    }
  }

  async json(path, options) {
    const response = await this.request(path, options);
    return response.status === 204 ? null : response.json();
  }

  /** Ask, and yield each event as {event, data}; ends after `done`, throws a Problem on `error` or a broken stream. */
  async *answer(body, signal) {
    const options = { method: "POST", json: { ...body, stream: true }, signal, accept: "text/event-stream" };
    const response = await this.request("/v1/answers", options);
    let whole = false;
    try {
      for await (const { event, data } of serverEvents(response.body)) {
        const value = JSON.parse(data);
        if (event === "error") throw new Problem(value);
        yield { event, data: value };
        whole ||= event === "done"; // read on: to break off a stream that is about to end is a failed request
      }
    } catch (fault) {
      if (!whole && (fault instanceof Problem || fault.name === "AbortError")) throw fault;
    }
    if (whole) return;
    throw new Problem({
      title: "The answer broke off",
      detail: "The connection ended before the answer was complete.",
      hint: "Ask again; if it happens often, tell whoever runs Moat here.",
    });
  }
}

/** Ask the page's own server, which knows its visitor by its cookies, to vouch for the visitor; works once. */
async function signature(url) {
  const response = await fetch(url, { credentials: "same-origin", cache: "no-store" }).catch(() => null);
  if (response?.ok) return (await response.text()).trim();
  throw new Problem({
    title: "This page did not say who you are",
    detail: response ? `Its server answered with status ${response.status}.` : "Its server did not answer.",
    hint: "Sign in to the page again; if it stays, tell whoever runs it.",
  });
}

async function send(url, options) {
  let response;
  try {
    response = await fetch(url, { ...options, credentials: "omit", cache: "no-store", referrerPolicy: "no-referrer" });
  } catch (fault) {
    if (fault.name === "AbortError") throw fault;
    throw new Problem({
      title: "Moat cannot be reached",
      detail: "The server did not answer, or does not allow this page.",
      hint: "Check the connection; whoever runs Moat can check the widget's list of allowed sites.",
    });
  }
  if (response.ok) return response;
  throw await problemOf(response);
}

/** Read a failed response as a Problem, whatever stands in its body. */
export async function problemOf(response) {
  const told = await response.json().catch(() => null);
  const fallback = { title: "The server refused", detail: `It answered with status ${response.status}.` };
  return new Problem({ ...fallback, ...(told && typeof told === "object" ? told : {}), status: response.status });
}
