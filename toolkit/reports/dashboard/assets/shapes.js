// Small things that every view uses: elements, words, numbers. Nothing here ever parses text as HTML.
const byId = (id) => document.getElementById(id);

/** Make an element: attributes, `text`, and `on` for events; the rest are children. */
function make(tag, given, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(given || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const number = (value) => value.toLocaleString("en");

/** A duration as people read it. */
function time(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value < 0.0095) return (value * 1000).toFixed(1) + " ms";
  if (value < 1) return Math.round(value * 1000) + " ms";
  if (value < 60) return value.toFixed(1) + " s";
  const all = Math.round(value), hours = Math.floor(all / 3600), minutes = Math.floor(all / 60) % 60;
  return hours ? hours + " h " + minutes + " min" : minutes + " min " + (all % 60) + " s";
}

const percent = (rate) => rate === null || rate === undefined ? "–"
  : rate === 1 ? "100 %" : Math.min(rate * 100, 99.9).toFixed(1) + " %";
const bytes = (value) => !value ? "–" : value < 1 << 30 ? (value / (1 << 20)).toFixed(0) + " MB" : (value / (1 << 30)).toFixed(1) + " GB";
const moment = (seconds) => seconds ? new Date(seconds * 1000).toLocaleString() : "";
const plural = (count, word) => number(count) + " " + word + (count === 1 ? "" : "s");

const OUTCOMES = { p: "passed", f: "failed", e: "error", s: "skipped", x: "xfailed", y: "xpassed", c: "crashed" };
/** The word for a letter of the history: a capital was good only after a retry. */
const outcomeOf = (letter) => !letter ? "none" : letter === letter.toUpperCase() ? "flaky" : OUTCOMES[letter] || "none";
const isBad = (letter) => letter === "f" || letter === "e" || letter === "c";

const testAddress = (test) => "#test/" + encodeURIComponent(test);
/** Show what would hide or turn other characters: a name must look like what it is. */
const visible = (text) => text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
  (found) => "\\u" + found.charCodeAt(0).toString(16).padStart(4, "0"));
const testLink = (test) => make("a", { href: testAddress(test), class: "node", text: visible(test) });

/** A table in a region that scrolls by itself and can be reached with the keyboard. */
function table(caption, headings, rows) {
  const head = make("tr", {}, ...headings.map((name) => make("th", { scope: "col", class: name.startsWith("#") ? "n" : null, text: name.replace(/^#/, "") })));
  const body = make("tbody", {}, ...rows.map((cells) => make("tr", {}, ...cells.map((cell, at) => {
    const kind = headings[at].startsWith("#") ? "n" : at === 0 ? "wide" : null;
    return cell instanceof Node ? make("td", { class: kind }, cell) : make("td", { class: kind, text: cell });
  }))));
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    make("table", {}, make("caption", { text: caption }), make("thead", {}, head), body));
}

/** What the last results were, newest last, as coloured cells with words for those who do not see them. */
function strip(letters) {
  const words = [...letters].map(outcomeOf);
  const told = words.length ? "last " + words.length + ", oldest first: " + words.join(", ") : "never ran";
  return make("span", { class: "strip", role: "img", "aria-label": told, title: told },
    ...words.map((word, at) => make("i", { class: word + (isBad(letters[at]) ? " bad" : "") })));
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

function remember(name, value) {
  try { localStorage.setItem("toolkit-" + name, value); } catch { /* a file may not be allowed to */ }
}
function recall(name) {
  try { return localStorage.getItem("toolkit-" + name); } catch { return null; }
}
