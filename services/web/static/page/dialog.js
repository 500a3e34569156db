import { h, icon } from "../chat/dom.js";

let opened = 0; // one dialog may stand over another

/** Show a modal dialog that leaves the page when it closes; one not `closable` has no way out but its content. */
export function openDialog(title, content, { closable = true } = {}) {
  const close = { type: "button", class: "quiet", "aria-label": "Close", onclick: () => dialog.close() };
  const button = closable && h("button", close, icon("close"));
  const id = `dialog-title-${++opened}`;
  const head = h("header", {}, h("h2", { id }, title), button);
  const dialog = h("dialog", { "aria-labelledby": id }, head, content);
  dialog.addEventListener("close", () => dialog.remove());
  if (closable) dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  else dialog.addEventListener("cancel", (event) => event.preventDefault());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/**
 * Ask for a few values: resolves with what `submit(values)` gives (or the values), or with null when closed.
 * A Problem thrown by `submit` is shown and the dialog stays; a `required` dialog cannot be closed without an answer.
 */
export function askFor({ title, text, fields, action, problem, submit = (values) => values, required = false }) {
  return new Promise((resolve) => {
    let result = null;
    const told = h("div", {}, problem ? problemNote(problem) : null);
    const send = h("button", { type: "submit", class: "main" }, action);
    const accept = async (event) => {
      event.preventDefault();
      send.disabled = true;
      try {
        result = await submit(Object.fromEntries(new FormData(form)));
        dialog.close();
      } catch (fault) {
        told.replaceChildren(problemNote(fault));
      } finally {
        send.disabled = false;
      }
    };
    const form = h("form", { onsubmit: accept }, h("p", {}, text), told, fields.map(field), h("p", {}, send));
    const dialog = openDialog(title, form, { closable: !required });
    dialog.addEventListener("close", () => {
      if (result !== null || !required) return resolve(result);
      document.body.append(dialog); // a browser closes even this one on the second Escape
      dialog.showModal();
    });
    form.querySelector("input, textarea")?.focus();
  });
}

function field({ name, label, type, hint, value = "", ...attributes }) {
  const id = `field-${name}`;
  const names = { id, name, ...attributes };
  const input = type === "area" ? h("textarea", names) : h("input", { ...names, type });
  input.value = value;
  return h("div", { class: "row" }, h("label", { for: id }, label), input, hint && h("p", { class: "hint" }, hint));
}

/** Show a Problem: the fact, the next step, and a button to try again where that can help. */
export function problemNote(problem, { retry } = {}) {
  const again = retry && h("button", { type: "button", class: "small", onclick: retry }, "Try again");
  const fact = problem.detail || problem.message || problem.title;
  const hint = problem.hint && h("p", { class: "hint" }, problem.hint);
  return h("div", { class: "problem", role: "alert" }, h("p", {}, fact), hint, again);
}
