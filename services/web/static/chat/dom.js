/** Build an element. Children are nodes or strings, and a string always becomes text, never markup. */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const SVG = "http://www.w3.org/2000/svg";

const ICONS = {
  send: "M12 19V5M5.5 11.5 12 5l6.5 6.5",
  stop: "M7 7h10v10H7z",
  close: "M6 6l12 12M18 6 6 18",
  up: "M7 11v9M7 11l4-8a2 2 0 0 1 2 2v4h5.5a2 2 0 0 1 2 2.3l-1 6.6A2 2 0 0 1 17.5 20H7M7 11H4v9h3",
  down: "M17 13V4M17 13l-4 8a2 2 0 0 1-2-2v-4H5.5a2 2 0 0 1-2-2.3l1-6.6A2 2 0 0 1 6.5 4H17M17 13h3V4h-3",
  retry: "M4 12a8 8 0 1 0 2.6-5.9M4 4v4.5h4.5",
  trash: "M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.3 10.5v5.5M13.7 10.5v5.5",
  upload: "M12 16V5M7 9.5 12 4.5l5 5M5 15.5V19h14v-3.5",
  file: "M7 3.5h6.5L18 8v12.5H7zM13.5 3.5V8H18",
  plus: "M12 5v14M5 12h14",
  code: "M9 7l-5 5 5 5M15 7l5 5-5 5",
};

/** Draw one of the line icons above; they are decoration, so they stay hidden from screen readers. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", "aria-hidden": "true", class: "icon" })) {
    svg.setAttribute(key, value);
  }
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Draw Moat's mark: a tower above water, in the colour of the text around it. */
export function mark() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "5 6 22 20");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "mark");
  const tower = document.createElementNS(SVG, "path");
  tower.setAttribute("d", "M9 19V8h3v2.5h2.5V8h3v2.5H20V8h3v11h-5.2v-2.6a1.8 1.8 0 0 0-3.6 0V19z");
  tower.setAttribute("fill", "currentColor");
  const water = document.createElementNS(SVG, "path");
  const wave = "c1.75 0 1.75-1.3 3.5-1.3s1.75 1.3 3.5 1.3";
  water.setAttribute("d", `M5.5 23.4${wave}${wave}${wave}`);
  for (const [key, value] of Object.entries({ stroke: "currentColor", "stroke-width": "1.6", fill: "none" })) {
    water.setAttribute(key, value);
  }
  svg.append(tower, water);
  return svg;
}
