// The list of all tests: search, filters, sorting; only the rows in sight exist, so its size does not matter.
const HEIGHT = 32;
const chosen = { words: "", outcomes: new Set(), states: new Set(), marker: "", group: 0, sort: "name", down: false, active: -1, top: 0 };
const COLUMNS = [["outcome", "Outcome"], ["name", "Test"], ["state", "Change"], ["past", "Last results"], ["time", "Time"], ["memory", "Memory"], ["risk", "Risk"]];

/** Numbers of the tests that match, in the wanted order. */
function matching() {
  const words = chosen.words.toLowerCase().split(/\s+/).filter(Boolean), names = words.length ? tests.words : null;
  const { verdict, state, markers, group } = tests.columns;
  const wanted = new Uint8Array(128);
  for (let code = 0; code < 128; code++) wanted[code] = chosen.outcomes.size && !chosen.outcomes.has(outcomeOf(code ? String.fromCharCode(code) : "")) ? 0 : 1;
  const states = new Uint8Array(16).fill(chosen.states.size ? 0 : 1);
  for (const name of chosen.states) states[tests.stateNames.indexOf(name) + 1] = 1;
  const marked = chosen.marker ? tests.markerSets.map((set) => set.includes(chosen.marker)) : null;
  const found = new Uint32Array(tests.count);
  let size = 0;
  for (let at = 0; at < tests.count; at++) {
    if (!wanted[verdict[at]] || !states[state[at]] || (marked && !marked[markers[at]]) || (chosen.group && group[at] !== chosen.group)) continue;
    if (names && !words.every((word) => names[at].includes(word))) continue;
    found[size++] = at;
  }
  return sorted(found.subarray(0, size));
}

function sorted(found) {
  const keys = { time: tests.columns.duration, memory: tests.columns.memory, risk: tests.columns.risk, state: tests.columns.state, outcome: tests.columns.verdict }[chosen.sort];
  if (!keys) return chosen.down ? found.reverse() : found;
  const value = (at) => Number.isNaN(keys[at]) ? -1 : keys[at];
  const sign = chosen.down ? -1 : 1;
  return found.sort((one, other) => sign * (value(one) - value(other)) || one - other);
}

function testsView(place, query) {
  if (query) Object.assign(chosen, { words: query.get("q") || "", outcomes: new Set(query.getAll("outcome")), states: new Set(query.getAll("state")),
    marker: query.get("marker") || "", group: Number(query.get("group") || 0), active: -1, top: 0 });
  const search = make("input", { id: "search", type: "search", placeholder: "Search names: words in any order", "aria-label": "Search names of tests", value: chosen.words });
  const outcomes = make("span", { class: "controls", role: "group", "aria-label": "Outcome" });
  const states = make("span", { class: "controls", role: "group", "aria-label": "Change" });
  const marker = make("select", { "aria-label": "Marker" }, make("option", { value: "", text: "any marker" }));
  const found = make("p", { class: "soft", role: "status", id: "found" });
  const grid = make("div", { class: "grid", role: "grid", tabindex: "0", id: "list", "aria-label": "Tests", "aria-colcount": COLUMNS.length });
  const head = make("div", { class: "gridhead", role: "row", "aria-rowindex": "1" });
  const space = make("div", { class: "space", role: "rowgroup" });
  grid.append(make("div", { class: "sticky", role: "rowgroup" }, head), space);
  const inside = () => grid.clientHeight - head.offsetHeight;
  let shown = new Uint32Array(0);

  const toggles = (box, kinds, set) => {
    for (const kind of kinds) {
      const button = make("button", { type: "button", class: kind, "aria-pressed": String(set.has(kind)), text: kind === "none" ? "not run" : kind });
      button.addEventListener("click", () => {
        if (!set.delete(kind)) set.add(kind);
        button.setAttribute("aria-pressed", String(set.has(kind)));
        refresh();
      });
      box.append(button);
    }
  };
  const kinds = new Set(tests.columns.verdict);
  toggles(outcomes, new Set([...kinds].sort().map((code) => outcomeOf(code ? String.fromCharCode(code) : ""))), chosen.outcomes);
  toggles(states, tests.stateNames.filter((name) => facts.states[name]), chosen.states);
  for (const name of [...new Set(tests.markerSets.flat())].sort()) marker.append(make("option", { value: name, text: name }));
  marker.value = chosen.marker;
  for (const [key, label] of COLUMNS) {
    const cell = make("div", { class: "c-" + key, role: "columnheader", "aria-sort": "none" });
    cell.append(key === "past" ? make("span", { text: label }) : make("button", { type: "button", text: label, on: { click: () => {
      chosen.down = chosen.sort === key ? !chosen.down : ["time", "memory", "risk"].includes(key);
      chosen.sort = key;
      refresh();
    } } }));
    head.append(cell);
  }

  function refresh() {
    const begun = performance.now();
    shown = matching();
    chosen.active = -1;
    space.style.height = shown.length * HEIGHT + "px";
    grid.scrollTop = 0;
    grid.setAttribute("aria-rowcount", String(shown.length + 1));
    [...head.children].forEach((cell, at) => cell.setAttribute("aria-sort", COLUMNS[at][0] !== chosen.sort ? "none" : chosen.down ? "descending" : "ascending"));
    const group = chosen.group ? " · cause: " + facts.groups[chosen.group - 1].causes[0].cause : "";
    found.textContent = number(shown.length) + " of " + plural(tests.count, "test") + group;
    draw();
    grid.dataset.milliseconds = String(Math.round(performance.now() - begun));
  }

  function draw() {
    const first = Math.max(Math.floor(grid.scrollTop / HEIGHT) - 5, 0);
    const last = Math.min(first + Math.ceil(inside() / HEIGHT) + 10, shown.length);
    const rows = [];
    for (let at = first; at < last; at++) rows.push(row(at));
    space.replaceChildren(...rows);
    chosen.top = grid.scrollTop;
    if (chosen.active >= first && chosen.active < last) grid.setAttribute("aria-activedescendant", "row-" + chosen.active);
    else grid.removeAttribute("aria-activedescendant");
  }

  function row(at) {
    const test = shown[at], word = outcomeOf(tests.letter(test)), state = tests.state(test), { duration, memory, risk } = tests.columns;
    const cells = [["outcome", word === "none" ? "not run" : word, word], ["name", visible(tests.name(test)), "node"], ["state", state, state],
      ["past", null], ["time", time(duration[test])], ["memory", bytes(memory[test] * 1024)], ["risk", risk[test] ? risk[test] + " %" : "–", risk[test] > 70 ? "high" : ""]];
    const node = make("div", { class: "gridrow" + (at === chosen.active ? " active" : ""), id: "row-" + at, role: "row", "aria-rowindex": String(at + 2),
      "aria-selected": String(at === chosen.active), on: { click: () => { chosen.active = at; open(); } } });
    node.style.top = at * HEIGHT + "px";
    for (const [key, text, kind] of cells) {
      node.append(make("div", { class: "c-" + key + (kind ? " " + kind : ""), role: "gridcell", title: key === "name" ? text : null },
        key === "past" ? strip(tests.past(test, 10)) : text));
    }
    return node;
  }

  const open = () => { if (chosen.active >= 0) location.hash = testAddress(tests.name(shown[chosen.active])); };

  function choose(at) {
    if (at < 0 || at >= shown.length) return;
    chosen.active = at;
    const top = at * HEIGHT;
    if (top < grid.scrollTop) grid.scrollTop = top;
    if (top + HEIGHT > grid.scrollTop + inside()) grid.scrollTop = top + HEIGHT - inside();
    draw();
  }

  search.addEventListener("input", () => { chosen.words = search.value; refresh(); });
  search.addEventListener("keydown", (event) => { if (event.key === "ArrowDown") { event.preventDefault(); grid.focus(); choose(0); } });
  marker.addEventListener("change", () => { chosen.marker = marker.value; refresh(); });
  grid.addEventListener("scroll", draw);
  grid.addEventListener("keydown", (event) => {
    if (event.target !== grid) return;
    const page = Math.max(Math.floor(inside() / HEIGHT) - 1, 1), last = shown.length - 1;
    const moves = { ArrowDown: Math.min(chosen.active + 1, last), ArrowUp: Math.max(chosen.active - 1, 0), PageDown: Math.min(chosen.active + page, last),
      PageUp: Math.max(chosen.active - page, 0), Home: 0, End: last };
    if (event.key === "Enter") { event.preventDefault(); open(); }
    if (!(event.key in moves)) return;
    event.preventDefault();
    choose(moves[event.key]);
  });
  const clear = make("button", { type: "button", text: "Clear filters", on: { click: () => {
    Object.assign(chosen, { words: "", marker: "", group: 0, sort: "name", down: false });
    chosen.outcomes.clear(); chosen.states.clear();
    show("tests");
  } } });
  const keep = { active: chosen.active, top: chosen.top };
  place.append(make("div", { class: "controls", role: "search", "aria-label": "Tests" }, search, marker, clear), outcomes, states, found, grid);
  refresh();
  if (keep.active >= 0 && keep.active < shown.length) { grid.scrollTop = keep.top; choose(keep.active); }
  place.resize = draw;
}
