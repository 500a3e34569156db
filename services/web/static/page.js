import "./chat/element.js";
import { Client, Key } from "./chat/client.js";
import { icon } from "./chat/dom.js";
import { askFor, problemNote } from "./page/dialog.js";
import { DocumentList } from "./page/documents.js";
import { openReader } from "./page/reader.js";
import { openSnippet } from "./page/snippet.js";
import { UploadBox } from "./page/upload.js";

const SERVER = new URL(".", document.baseURI).href.replace(/\/$/, "");
const KEY = "moat-key";
const CORPUS = "moat-corpus";
const $ = (selector) => document.querySelector(selector);
const chat = $("moat-chat");
const select = $("#corpus");
const say = (text) => ($("#status").textContent = text);

let client = null;
let corpora = [];
let list = null;

start();

function start() {
  chat.openDocument = (citation) => openReader(client, citation);
  chat.addEventListener("moat-problem", ({ detail }) => detail.status === 401 && signOut(detail));
  $("#add-corpus").append(icon("plus"));
  $("#embed").prepend(icon("code"));
  $("#embed").addEventListener("click", () => openSnippet(client, SERVER, corpora, select.value));
  $("#forget").addEventListener("click", () => signOut());
  $("#add-corpus").addEventListener("click", newCorpus);
  select.addEventListener("change", showCorpus);
  for (const button of document.querySelectorAll("[data-to]")) {
    button.addEventListener("click", () => view(button.dataset.to));
  }
  addEventListener("hashchange", async () => (await takeKey()) && location.reload());
  takeKey().then(() => signIn());
}

/** Move a key from the address (`#key=...`) to this tab's storage, so that it is not kept in the history. */
async function takeKey() {
  const key = new URLSearchParams(location.hash.slice(1)).get("key");
  if (!key) return false;
  history.replaceState(null, "", location.pathname + location.search);
  if (!(await isMeant())) return false;
  sessionStorage.setItem(KEY, key);
  return true;
}

/** Ask before a link signs somebody in: its maker could read what is uploaded with the key. `moat up` prints one. */
function isMeant() {
  if (["localhost", "127.0.0.1", "[::1]"].includes(location.hostname)) return true;
  return askFor({
    title: "Use the key in this link?",
    text: "You would act as the key's owner, who can read what you upload and ask. Go on only if you know whose it is.",
    fields: [],
    action: "Use it",
  });
}

async function signIn(problem) {
  const key = sessionStorage.getItem(KEY) ?? (await askForKey(problem));
  client = new Client(SERVER, new Key(key));
  chat.token = key;
  let known;
  // A question asked before the corpora are here waits for them: it would be asked of all.
  chat.corpora = new Promise((resolve) => (known = resolve));
  try {
    corpora = await everyPage("/v1/corpora");
  } catch (fault) {
    known(null);
    if (fault.status === 401) return signOut(fault);
    $("#documents").replaceChildren(problemNote(fault, { retry: () => signIn() }));
    return;
  }
  signedIn(true);
  fillCorpora(sessionStorage.getItem(CORPUS));
  known(corpora.length ? [select.value] : null);
}

function signOut(problem) {
  if (!client) return; // two refusals at once ask for one key
  sessionStorage.removeItem(KEY);
  client = null;
  list?.stop();
  chat.token = null;
  $("#documents").replaceChildren();
  signedIn(false);
  signIn(problem);
}

function signedIn(yes) {
  for (const part of [$(".corpus"), $("#embed"), $("#forget")]) part.hidden = !yes;
}

async function askForKey(problem) {
  const answer = await askFor({
    title: "Welcome to Moat",
    text: "Paste your key to open this page. The first one is in the file admin.key of Moat's home.",
    fields: [{ name: "key", label: "Key", type: "password", required: true, autocomplete: "off" }],
    action: "Open",
    problem,
    required: true,
  });
  sessionStorage.setItem(KEY, answer.key.trim());
  return answer.key.trim();
}

async function everyPage(path) {
  const items = [];
  for (let cursor = ""; cursor !== null; ) {
    const page = await client.json(`${path}?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    items.push(...page.items);
    cursor = page.next_cursor;
  }
  return items;
}

function fillCorpora(chosen) {
  select.replaceChildren(...corpora.map(({ id, name }) => new Option(name, id)));
  select.disabled = corpora.length === 0;
  if (corpora.some(({ id }) => id === chosen)) select.value = chosen;
  if (corpora.length) showCorpus();
  else newCorpus();
}

function showCorpus() {
  const id = select.value;
  sessionStorage.setItem(CORPUS, id);
  chat.corpora = [id];
  list?.stop();
  list = new DocumentList(client, id, say, signOut);
  const upload = new UploadBox(client, id, () => list.refresh());
  $("#documents").replaceChildren(upload.element, list.element);
  list.refresh();
}

async function newCorpus() {
  const create = ({ name }) => client.json("/v1/corpora", { method: "POST", json: { name: name.trim() } });
  const made = await askFor({
    title: "New corpus",
    text: "A corpus is a set of documents that are searched together.",
    fields: [{ name: "name", label: "Name", required: true, placeholder: "handbook" }],
    action: "Create",
    submit: create,
  });
  if (!made) return;
  corpora.push(made);
  fillCorpora(made.id);
}

function view(name) {
  document.body.dataset.view = name;
  for (const button of document.querySelectorAll("[data-to]")) {
    button.setAttribute("aria-pressed", String(button.dataset.to === name));
  }
}
