// A constructed stylesheet rather than a <style> element: it works under style-src 'self', also on the host's page.
let sheet;

export function styles() {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
  }
  return sheet;
}

const CSS = `
:host {
  --_accent: var(--moat-accent, light-dark(#11677a, #6fc6d6));
  --_on-accent: var(--moat-on-accent, light-dark(#ffffff, #06262d));
  --_surface: var(--moat-surface, light-dark(#ffffff, #171d20));
  --_raised: var(--moat-raised, light-dark(#f4f3ef, #1f272b));
  --_ink: var(--moat-ink, light-dark(#1c2427, #e6eaeb));
  --_muted: var(--moat-muted, light-dark(#5c686c, #9aa7ab));
  --_line: var(--moat-line, light-dark(#e0ded7, #2e383c));
  --_warn: var(--moat-warn, light-dark(#a13d1f, #f0a284));
  --_tint: color-mix(in srgb, var(--_accent) 11%, transparent);
  --_font: var(--moat-font, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif);
  --_radius: var(--moat-radius, 12px);
  color-scheme: light dark;
  display: block;
  color: var(--_ink);
  font: 400 15px/1.55 var(--_font);
}
:host([theme="light"]) { color-scheme: light; }
:host([theme="dark"]) { color-scheme: dark; }
:host([floating]) { position: fixed; inset: auto 20px 20px auto; z-index: var(--moat-z, 2147483000); }
:host([hidden]), [hidden] { display: none !important; }
* { box-sizing: border-box; }
button, textarea { font: inherit; color: inherit; }
button { background: none; border: 0; padding: 0; cursor: pointer; }
:focus-visible { outline: 2px solid var(--_accent); outline-offset: 2px; }
p, h3, ol, ul, figure, blockquote, pre, form { margin: 0; }
.icon { width: 18px; height: 18px; fill: none; stroke: currentColor; stroke-width: 1.7; stroke-linecap: round;
  stroke-linejoin: round; display: block; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.panel { display: flex; flex-direction: column; height: 100%; min-height: 0; background: var(--_surface);
  position: relative; }
:host([floating]) .panel { position: absolute; inset: auto 0 68px auto; width: min(400px, calc(100vw - 40px));
  height: min(620px, calc(100dvh - 110px)); border: 1px solid var(--_line); border-radius: calc(var(--_radius) + 4px);
  box-shadow: 0 18px 50px rgb(0 0 0 / .22); overflow: hidden; }
header { display: flex; align-items: center; gap: 10px; padding: 12px 10px 12px 16px;
  border-bottom: 1px solid var(--_line); }
header .mark { width: 22px; height: 20px; color: var(--_accent); }
header strong { flex: 1; font-weight: 600; }
.close { padding: 7px; border-radius: 8px; color: var(--_muted); }
.close:hover { background: var(--_raised); color: var(--_ink); }
.launcher { width: 54px; height: 54px; border-radius: 50%; background: var(--_accent); color: var(--_on-accent);
  display: grid; place-items: center; margin-inline-start: auto; box-shadow: 0 6px 20px rgb(0 0 0 / .25); }
.launcher .mark { width: 30px; height: 28px; }
.launcher:hover { filter: brightness(1.08); }

.log { flex: 1; min-height: 0; overflow-y: auto; overscroll-behavior: contain; padding: 22px 20px 10px;
  scrollbar-width: thin; }
.log > * { max-width: 720px; margin-inline: auto; }
.welcome { min-height: 100%; display: flex; flex-direction: column; align-items: center; justify-content: center;
  text-align: center; color: var(--_muted); padding: 16px; }
.welcome .mark { width: 52px; height: 48px; color: var(--_accent); margin-bottom: 14px; }
.welcome .lead { color: var(--_ink); font-size: 20px; font-weight: 600; letter-spacing: -.01em; margin-bottom: 4px; }
.welcome p { max-width: 34ch; }

.turn + .turn { margin-top: 26px; padding-top: 24px; border-top: 1px solid var(--_line); }
.question { font-size: 18px; line-height: 1.35; font-weight: 600; letter-spacing: -.012em; margin-bottom: 10px;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.question, .body p, .body li, blockquote { unicode-bidi: plaintext; }
.body { overflow-wrap: anywhere; }
.body > * + * { margin-top: 10px; }
.body ul, .body ol { padding-inline-start: 22px; }
.body li + li { margin-top: 4px; }
.body code, .body pre { font: .9em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; background: var(--_raised);
  border-radius: 5px; }
.body code { padding: 1px 4px; }
.body pre { padding: 10px 12px; overflow-x: auto; }
.note, .label { color: var(--_muted); font-size: 13px; }
.label { font-weight: 600; }
.working { color: var(--_muted); }
.working::after { content: ""; display: inline-block; width: 6px; height: 6px; margin-inline-start: 8px;
  border-radius: 50%; background: var(--_accent); animation: breathe 1.1s ease-in-out infinite alternate; }
@keyframes breathe { from { opacity: .2 } to { opacity: 1 } }
[data-state="abstained"] .body { border-inline-start: 3px solid var(--_line); padding: 2px 0 2px 14px;
  color: var(--_muted); }
[data-state="stopped"] .body { color: var(--_muted); }

.marker { display: inline-grid; place-items: center; min-width: 18px; height: 18px; padding: 0 5px; margin: 0 1px 0 3px;
  border-radius: 9px; background: var(--_tint); color: var(--_accent); font-size: 11.5px; line-height: 1;
  font-weight: 650; font-variant-numeric: tabular-nums; vertical-align: 2px; }
.unverified { padding: 0 6px; border-radius: 9px; font-size: 0.8em; color: inherit; background: color-mix(in srgb, orange 30%, transparent); }
.marker:hover, .marker[aria-expanded="true"] { background: var(--_accent); color: var(--_on-accent); }
.sources { list-style: none; padding: 0; margin-top: 14px; display: flex; flex-wrap: wrap; gap: 6px; }
.sources li { max-width: 100%; }
.source { display: flex; align-items: center; gap: 7px; max-width: 100%; padding: 4px 10px 4px 5px; font-size: 13px;
  border: 1px solid var(--_line); border-radius: 999px; }
.source .number { flex: none; display: grid; place-items: center; min-width: 19px; height: 19px; padding: 0 5px;
  border-radius: 10px; background: var(--_tint); color: var(--_accent); font-size: 11.5px; font-weight: 650; }
.source .title { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.source .page { flex: none; color: var(--_muted); }
.source:hover, .source[aria-expanded="true"] { border-color: var(--_accent); }
.card { margin-top: 14px; border: 1px solid var(--_line); border-radius: var(--_radius); background: var(--_raised);
  padding: 13px 16px; animation: appear .14s ease-out; }
@keyframes appear { from { opacity: 0; transform: translateY(-3px) } }
figure + figure { margin-top: 14px; padding-top: 14px; border-top: 1px solid var(--_line); }
figcaption { display: flex; flex-wrap: wrap; gap: 2px 10px; align-items: baseline; font-size: 13px;
  overflow-wrap: anywhere; }
figcaption span { color: var(--_muted); }
blockquote { margin-top: 7px; padding-inline-start: 12px; border-inline-start: 3px solid var(--_accent);
  white-space: pre-wrap; overflow-wrap: anywhere; max-height: 260px; overflow-y: auto;
  font-family: Charter, "Iowan Old Style", Georgia, serif; font-size: 15.5px; }
.link { margin-top: 9px; color: var(--_accent); font-size: 13px; font-weight: 600; }
.link:hover { text-decoration: underline; }

.begun { margin-top: 26px; color: var(--_muted); font-size: 12.5px; text-align: center; }
.anew { display: flex; align-items: center; gap: 6px; align-self: center; padding: 4px 11px; border-radius: 999px;
  color: var(--_muted); font-size: 12.5px; }
.anew .icon { width: 13px; height: 13px; }
.anew:hover { background: var(--_raised); color: var(--_ink); }
.end { display: flex; align-items: flex-start; gap: 12px; margin-top: 14px; }
.cost { flex: 1; min-width: 0; color: var(--_muted); font-size: 12.5px; font-variant-numeric: tabular-nums;
  padding-top: 3px; }
.cost summary { cursor: pointer; width: fit-content; list-style: none; border-radius: 4px; }
.cost summary::-webkit-details-marker { display: none; }
.cost summary:hover { color: var(--_ink); }
.cost summary::after { content: ""; display: inline-block; width: 5px; height: 5px; margin: 0 2px 2px 7px;
  border: solid currentColor; border-width: 0 1.5px 1.5px 0; transform: rotate(45deg); }
.calls { overflow-x: auto; margin-top: 8px; }
table { border-collapse: collapse; white-space: nowrap; }
th, td { text-align: start; padding: 3px 16px 3px 0; font-weight: 400; }
th { font-weight: 600; border-bottom: 1px solid var(--_line); }
.thumbs { display: flex; gap: 2px; margin-inline-start: auto; }
.thumbs button { padding: 5px; border-radius: 7px; color: var(--_muted); }
.thumbs .icon { width: 16px; height: 16px; }
.thumbs button:hover { background: var(--_raised); color: var(--_ink); }
.thumbs [aria-pressed="true"] { color: var(--_accent); background: var(--_tint); }
.problem { flex: 1; border-inline-start: 3px solid var(--_warn); padding: 2px 0 2px 14px; overflow-wrap: anywhere; }
.problem strong { color: var(--_warn); }
.hint { color: var(--_muted); }
.retry { display: inline-flex; align-items: center; gap: 7px; padding: 5px 12px 5px 9px; font-size: 13px;
  font-weight: 600; border: 1px solid var(--_line); border-radius: 8px; }
.problem .retry { margin-top: 10px; }
.retry:hover { border-color: var(--_accent); color: var(--_accent); }
.retry .icon { width: 15px; height: 15px; }

form { padding: 10px 20px 18px; }
:host([floating]) form { padding: 8px 12px 12px; }
.field { display: flex; align-items: flex-end; gap: 8px; max-width: 720px; margin-inline: auto;
  border: 1px solid var(--_line); border-radius: calc(var(--_radius) + 3px); background: var(--_raised);
  padding: 6px 6px 6px 14px; }
.field:focus-within { border-color: var(--_accent); box-shadow: 0 0 0 3px var(--_tint); }
textarea { flex: 1; min-width: 0; resize: none; border: 0; background: none; outline: none; padding: 5px 0; margin: 0;
  font-size: 16px; line-height: 1.45; max-height: 160px; }
textarea:focus-visible { outline: none; }
textarea::placeholder { color: var(--_muted); opacity: 1; }
.send { flex: none; width: 34px; height: 34px; border-radius: 10px; background: var(--_accent);
  color: var(--_on-accent); display: grid; place-items: center; }
.send:hover { filter: brightness(1.08); }
.send.stop { background: var(--_ink); color: var(--_surface); }
.send.stop .icon { fill: currentColor; }
@media (prefers-reduced-motion: reduce) { *, *::after { animation: none !important; transition: none !important; } }
@media (max-width: 480px) {
  .log { padding-inline: 16px; }
  form { padding: 8px 12px 12px; }
  .end { flex-wrap: wrap; }
}
`;
