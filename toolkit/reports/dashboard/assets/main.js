// From the address to the view; themes, keys, printing, and the live page.
const mode = JSON.parse(byId("mode").textContent);
let current = "", ready = null, seeking = false;

const place = () => {
  const [path, query] = location.hash.slice(1).split(/\?(.*)/s);
  const [view, ...rest] = path.split("/");
  let name = rest.join("/");
  try { name = decodeURIComponent(name); } catch { /* shown as it is */ }
  return { view: view === "test" || view in VIEWS ? view : "overview", name, query: query ? new URLSearchParams(query) : null };
};

function head() {
  document.title = facts.verdict + " – " + facts.title;
  byId("title").textContent = facts.title;
  byId("verdict").textContent = facts.verdict;
  byId("verdict").className = "verdict " + facts.verdict;
  byId("about").textContent = [facts.headline.replace(/^\w+ /, ""), moment(facts.created), "toolkit " + facts.toolkit].join(" · ");
  byId("top").hidden = byId("nav").hidden = false;
  byId("nav").querySelector("ul").replaceChildren(...Object.entries(VIEWS).map(([view, [label]]) => {
    const count = COUNTS[view] ? COUNTS[view]() : 0;
    return make("li", {}, make("a", { href: "#" + view, id: "nav-" + view }, label, count ? make("span", { class: "count", text: " " + number(count) }) : null));
  }));
}

async function route(focus = true) {
  const { view, name, query } = place();
  current = view;
  for (const key of Object.keys(VIEWS)) {
    if (key === (view === "test" ? "tests" : view)) byId("nav-" + key).setAttribute("aria-current", "page");
    else byId("nav-" + key).removeAttribute("aria-current");
  }
  if (NEEDS_TESTS.has(view) && !tests) {
    byId("status").textContent = "Unpacking the tests …";
    try { await ready; } catch (error) { byId("status").textContent = "The tests cannot be unpacked: " + error.message + ". This needs a browser of 2023 or later."; return; }
    byId("status").textContent = "";
    if (place().view !== view || place().name !== name) return;
  }
  byId("main").replaceChildren(section(view, name, query));
  if (seeking && view === "tests") byId("search").focus();
  else if (focus) byId("main").querySelector("h2").focus();
  seeking = false;
}

/** Build one view. It is in the page before it is filled, so that charts know their width. */
function section(view, name, query) {
  const single = view === "test" || (view === "benchmarks" && name);
  const title = single ? visible(name) : VIEWS[view][0];
  const box = make("section", { id: view, "aria-labelledby": view + "-title" }, make("h2", { id: view + "-title", tabindex: "-1", class: single ? "node" : null, text: title }));
  byId("main").replaceChildren(box);
  if (view === "test") caseView(box, name);
  else VIEWS[view][1](box, query, name);
  return box;
}

function show(view) {
  if (location.hash === "#" + view) route(false);
  else location.hash = view;
}

function back() {
  if (current === "test") show("tests");
  else if (current === "benchmarks" && place().name) show("benchmarks");
  else if (current !== "overview") show("overview");
}

function step(by) {
  const names = Object.keys(VIEWS), at = names.indexOf(current === "test" ? "tests" : current);
  show(names[(at + by + names.length) % names.length]);
}

addEventListener("hashchange", () => route());
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("keys").open) return;
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "Escape" && !(typing && event.target.value && event.target.type === "search")) { if (typing) event.target.blur(); else back(); return; }
  if (typing || !byId("shortcuts").checked) return;
  const keys = { "[": () => step(-1), "]": () => step(1), "?": () => byId("keys").showModal(),
    "/": () => { if (byId("search")) byId("search").focus(); else { seeking = true; location.hash = "tests"; } } };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});
byId("help").addEventListener("click", () => byId("keys").showModal());
byId("shortcuts").checked = recall("shortcuts") !== "off";
byId("shortcuts").addEventListener("change", (event) => remember("shortcuts", event.target.checked ? "on" : "off"));

const theme = (name) => { if (name) document.documentElement.dataset.theme = name; };
theme(recall("theme"));
byId("theme").addEventListener("click", () => {
  const now = document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  theme(now === "dark" ? "light" : "dark");
  remember("theme", document.documentElement.dataset.theme);
  redraw();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
let resizing = 0;
addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(() => { redraw(); const box = byId("main").firstChild; if (box && box.resize) box.resize(); }, 100); });

// Paper has no navigation: every view but the list is printed, and of the list what is not good.
addEventListener("beforeprint", () => {
  const rest = Object.keys(VIEWS).filter((view) => view !== current && view !== "tests" && (tests || !NEEDS_TESTS.has(view)));
  for (const view of rest) {
    const box = make("section", { class: "printed", "data-printed": "" }, make("h2", { text: VIEWS[view][0] }));
    byId("main").append(box);
    VIEWS[view][1](box, null);
  }
});
addEventListener("afterprint", () => byId("main").querySelectorAll("[data-printed]").forEach((box) => box.remove()));

async function unpack(packed) { tests = new Tests(await inflate(packed)); byId("main").dataset.tests = "ready"; performance.mark("tests-unpacked"); }

async function refresh(etag) {
  try {
    const answer = await fetch("facts.json", { headers: etag ? { "If-None-Match": etag } : {} });
    if (answer.status === 200) {
      facts = await answer.json();
      ready = fetch("tests.bin").then((found) => found.arrayBuffer()).then(unpack);
      await ready;
      head();
      const busy = (current === "benchmarks" || current === "tests" && byId("list")) && byId("main").contains(document.activeElement);
      if (!busy && current !== "test") await route(!etag);
      etag = answer.headers.get("ETag");
      byId("status").textContent = "";
    }
  } catch { byId("status").textContent = "The server does not answer; what is shown is the last that it said."; }
  setTimeout(refresh, 2000, etag);
}

if (mode === "live") refresh("");
else {
  facts = JSON.parse(byId("facts").textContent);
  head();
  // What is seen first is drawn first; the table follows.
  ready = new Promise((done, failed) => requestAnimationFrame(() => setTimeout(() => unpack(fromBase64(byId("tests-data").textContent)).then(done, failed))));
  ready.catch(() => {});
  route(false);
  requestAnimationFrame(() => setTimeout(() => performance.mark("first-view")));
}
