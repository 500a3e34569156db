import { h } from "../chat/dom.js";
import { askFor, openDialog } from "./dialog.js";

/** Make a widget and show the one tag that puts it on another site. */
export async function openSnippet(client, server, corpora, corpusId) {
  const chosen = corpora.find(({ id }) => id === corpusId);
  if (!chosen) return;
  const create = ({ name, origins }) => {
    const allowed = origins.split(/[\s,]+/).filter(Boolean).map((origin) => origin.replace(/\/+$/, ""));
    const json = { name: name.trim(), origins: allowed, corpora: [chosen.id], groups: ["everyone"] };
    return client.json("/v1/widgets", { method: "POST", json });
  };
  const widget = await askFor({
    title: "Put this on your intranet",
    text: `A chat button on any site you allow. It answers from what everyone may read in “${chosen.name}”.`,
    fields: [
      { name: "name", label: "Name", value: "Intranet", required: true },
      {
        name: "origins",
        label: "Sites that may show it",
        type: "area",
        rows: "2",
        required: true,
        placeholder: "https://intranet.example.com",
        hint: "One address a line: scheme and host, and the port if it has one.",
      },
    ],
    action: "Make the tag",
    submit: create,
  });
  if (widget) showTag(`<script src="${server}/widget.js" data-widget="${widget.id}" defer></script>`);
}

function showTag(tag) {
  const code = h("pre", { class: "tag", tabindex: "0" }, tag);
  const copy = async () => {
    getSelection().selectAllChildren(code); // where there is no clipboard (plain http), it is at least selected
    await navigator.clipboard?.writeText(tag);
    button.textContent = navigator.clipboard ? "Copied" : "Selected: press Ctrl+C";
  };
  const button = h("button", { type: "button", class: "main", onclick: copy }, "Copy");
  const text = "Paste this one line into the page, anywhere in its body:";
  openDialog("Your tag", h("div", { class: "sheet" }, h("p", {}, text), code, h("p", {}, button)));
  button.focus();
}
