import { Problem } from "../chat/client.js";
import { h, icon } from "../chat/dom.js";
import { problemNote } from "./dialog.js";

const FILES_A_REQUEST = 16;

/** Where files are dropped or picked; sends them in small batches and tells what the server said of each. */
export class UploadBox {
  constructor(client, corpusId, onAccepted) {
    this.client = client;
    this.url = `${client.server}/v1/corpora/${encodeURIComponent(corpusId)}/documents`;
    this.onAccepted = onAccepted;
    this.sending = Promise.resolve();
    const picked = () => {
      this.add([...this.input.files].map((file) => ({ file, key: file.name })));
      this.input.value = "";
    };
    this.input = h("input", { type: "file", multiple: true, class: "unseen", id: "files", onchange: picked });
    const text = h("small", {}, "Drop files or folders here, or choose them");
    const label = h("label", { for: "files" }, icon("upload"), h("span", {}, h("strong", {}, "Add documents"), text));
    this.notes = h("div", { class: "notes", role: "status" });
    this.element = h("div", { class: "upload" }, h("div", { class: "drop" }, this.input, label), this.notes);
    this.listen();
  }

  listen() {
    const hover = (on) => (event) => {
      event.preventDefault();
      this.element.classList.toggle("over", on);
    };
    this.element.addEventListener("dragover", hover(true));
    this.element.addEventListener("dragleave", hover(false));
    this.element.addEventListener("drop", async (event) => {
      hover(false)(event);
      this.add(await dropped(event.dataTransfer));
    });
  }

  add(files) {
    for (let at = 0; at < files.length; at += FILES_A_REQUEST) {
      const batch = files.slice(at, at + FILES_A_REQUEST);
      this.sending = this.sending.then(() => this.send(batch)); // one request at a time, in the order they came
    }
  }

  async send(batch) {
    const bar = h("progress", { max: "1", value: "0", "aria-label": "Sending" });
    const what = batch.length === 1 ? batch[0].file.name : `${batch.length} files`;
    const note = h("div", { class: "sending" }, h("p", {}, `Sending ${what}`), bar);
    this.notes.append(note);
    try {
      const { items } = await this.post(batch, (share) => (bar.value = share));
      this.report(items);
    } catch (problem) {
      const again = () => {
        failed.remove();
        this.add(batch);
      };
      const failed = this.note(problem, { retry: again });
    } finally {
      note.remove();
    }
    this.onAccepted();
  }

  report(items) {
    const known = items.filter((item) => item.duplicate).map((item) => item.filename);
    if (known.length) this.note({ detail: `Already here: ${known.join(", ")}` }, {}, "known");
    for (const { filename, problem } of items) {
      if (!problem) continue;
      this.note({ detail: `${filename}: ${problem.detail || problem.title}`, hint: problem.hint });
    }
  }

  note(problem, options = {}, kind = "") {
    const close = { type: "button", class: "quiet", "aria-label": "Dismiss", onclick: () => note.remove() };
    const note = h("div", { class: `note ${kind}` }, problemNote(problem, options), h("button", close, icon("close")));
    this.notes.append(note);
    return note;
  }

  // XMLHttpRequest because fetch does not tell how much of an upload has left.
  async post(batch, onProgress) {
    const form = new FormData();
    for (const { file } of batch) form.append("files", file, file.name);
    const inFolder = batch.some(({ file, key }) => key !== file.name);
    if (inFolder) for (const { key } of batch) form.append("key", key);
    const bearer = await this.client.credentials.bearer();
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("POST", this.url);
      request.setRequestHeader("Authorization", `Bearer ${bearer}`);
      request.responseType = "json";
      request.upload.onprogress = ({ loaded, total }) => total && onProgress(loaded / total);
      request.onload = () => {
        const { status, response } = request;
        // A refusal with items refuses every file, and each item says why.
        if (status < 300 || response?.items) return resolve(response);
        reject(new Problem({ detail: `The server answered with status ${status}.`, ...response, status }));
      };
      const hint = "Check that the files still exist and that the server can be reached.";
      request.onerror = () => reject(new Problem({ detail: "The upload did not get through.", hint }));
      request.send(form);
    });
  }
}

/** Every file of a drop, folders included; a file in a folder keeps its path as its key. */
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ file, key: file.name }));
  return (await Promise.all(entries.map(walk))).flat();
}

async function walk(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return file.name.startsWith(".") ? [] : [{ file, key: entry.fullPath.replace(/^\//, "") }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // at most 100 at once
    if (!some.length) break;
    found.push(...some);
  }
  return (await Promise.all(found.map(walk))).flat();
}
