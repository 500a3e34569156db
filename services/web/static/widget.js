/* Moat's chat for any page. One tag does it:
 *   <script src="https://moat.example/widget.js" data-widget="wid_..." defer></script>
 * places a floating button. Without data-widget it only defines <moat-chat widget="wid_..."></moat-chat>.
 * Optional: data-heading, data-placeholder, data-theme ("light" or "dark"), and the --moat-* custom properties;
 * data-signature-url is where the page's own server answers with a signature for its visitor.
 */
(() => {
  "use strict";
  const script = document.currentScript;
  const server = new URL(".", script.src).href.replace(/\/$/, "");
  const ready = import(`${server}/static/chat/element.js`);
  if (!script.dataset.widget) return;

  const place = () => {
    const chat = document.createElement("moat-chat");
    chat.setAttribute("floating", "");
    for (const name of ["widget", "heading", "placeholder", "theme"]) {
      if (script.dataset[name]) chat.setAttribute(name, script.dataset[name]);
    }
    if (script.dataset.signatureUrl) chat.setAttribute("signature-url", script.dataset.signatureUrl);
    document.body.append(chat);
  };
  ready.then(() => {
    if (document.body) place();
    else document.addEventListener("DOMContentLoaded", place, { once: true });
  });
})();
