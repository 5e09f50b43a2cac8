// Benchmarks from commit to commit, and what load, fuzzing and security tests found.
const AT_ONCE = 100;

/** Seconds with four figures: benchmarks differ by less than a millisecond. */
function fine(value) {
  if (value === null || value === undefined) return "–";
  const [unit, factor] = value < 1e-6 ? ["ns", 1e9] : value < 1e-3 ? ["µs", 1e6] : value < 1 ? ["ms", 1e3] : ["s", 1];
  return Number((value * factor).toPrecision(4)).toLocaleString("en") + " " + unit;
}

const times = (ratio) => ratio === null || ratio === undefined ? "–" : "× " + ratio.toFixed(2);
const short = (commit) => visible(commit.slice(0, 12));
const newest = (one) => one.seconds[one.seconds.length - 1];
const isOver = (one) => one.budget !== null && newest(one) > one.budget;
const benchmarkAddress = (test) => "#benchmarks/" + encodeURIComponent(test);
const series = (one) => "Python " + one.python + (one.host ? " on " + visible(one.host) : "");
const mark = (kind, text) => make("span", { class: kind, text });

function movedWords(one) {
  if (!one.moved) return "no";
  const { before, after, commit } = one.moved;
  return mark(after > before ? "bad" : "good", fine(before) + " to " + fine(after) + " at " + short(commit));
}

function comparedWords(one) {
  const told = one.compared;
  if (!told) return "–";
  const change = (ratio) => (ratio < 1 ? "" : "+") + ((ratio - 1) * 100).toFixed(1) + " %";
  const words = change(told.ratio) + " (" + change(told.low) + " to " + change(told.high) + ") against " + short(told.base);
  return told.slower ? mark("bad", "slower: " + words) : words;
}

function benchmarksView(place, query, name) {
  if (name) return benchmarkPage(place, name);
  const { rows, in_all: all } = facts.benchmarks;
  if (!rows.length) return place.append(nothing("No benchmark is in the history: use the fixture benchmark of pytest-benchmark and run nox -s performance, or take files in with invoke performance.import."));
  const search = make("input", { type: "search", placeholder: "Search benchmarks", "aria-label": "Search benchmarks" });
  const found = make("p", { class: "soft", role: "status" }), box = make("div");
  place.append(make("div", { class: "controls" }, search), found, box);
  const words = rows.map((one) => (one.test + " " + one.python + " " + one.host).toLowerCase());
  const draw = (most) => {
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fit = rows.filter((_, at) => wanted.every((word) => words[at].includes(word)));
    const over = fit.filter(isOver).length;
    found.textContent = number(fit.length) + " of " + plural(all, "benchmark") + (over ? ", " + number(over) + " above what they may take" : "") + "; those first that need a look";
    box.replaceChildren(table("Benchmarks: the median of the newest commit", ["Benchmark", "Where", "#Median", "#Commit before", "#Budget", "Moved", "Compared in turns", "#Commits"],
      fit.slice(0, most).map((one) => [make("a", { class: "node", href: benchmarkAddress(one.test), text: visible(one.test) }), series(one),
        isOver(one) ? mark("bad", fine(newest(one)) + " (over)") : fine(newest(one)), times(one.change), fine(one.budget), movedWords(one), comparedWords(one), number(one.at.length)])));
    if (fit.length > most) box.append(make("button", { type: "button", text: "Show " + number(Math.min(AT_ONCE, fit.length - most)) + " more", on: { click: () => { draw(most + AT_ONCE); box.querySelectorAll("tbody tr")[most].querySelector("a").focus(); } } }));
  };
  search.addEventListener("input", () => draw(AT_ONCE));
  draw(AT_ONCE);
}

/** One benchmark: a chart per Python and machine. */
function benchmarkPage(place, name) {
  const mine = facts.benchmarks.rows.filter((one) => one.test === name);
  place.append(make("p", {}, make("a", { href: "#benchmarks", text: "All benchmarks" }), " · ", testLink(name)));
  if (!mine.length) return place.append(nothing("No benchmark of this name is known."));
  for (const one of mine) {
    const commits = one.at.map((at) => facts.benchmarks.commits[at]);
    const facts_ = [["Median", fine(newest(one)), isOver(one) ? "bad" : ""], ["Commit before", times(one.change)], ["Budget", fine(one.budget)], ["Runs", number(one.runs)]];
    place.append(make("h3", { text: series(one) }), make("dl", { class: "figures" }, ...facts_.map(([label, value, kind]) => make("div", {}, make("dt", { text: label }), make("dd", { class: kind || null, text: value })))));
    place.append(make("p", {}, "Moved to another level: ", movedWords(one)), make("p", {}, "Compared in turns: ", comparedWords(one)));
    if (one.at.length < 2) { place.append(nothing("One commit is no trend: this needs a second one.")); continue; }
    const lines = [{ label: "Median", values: one.seconds, colour: "bar" }];
    if (one.budget !== null && one.budget < 10 * Math.max(...one.seconds)) lines.push({ label: "Budget", values: one.seconds.map(() => one.budget), colour: "warn" });
    chart(place, { title: "Median per commit, " + series(one), x: commits.map((_, at) => at), labels: commits.map(([commit, when]) => short(commit) + ", " + moment(when)), unit: fine, what: "Commit",
      words: plural(one.at.length, "commit") + ", between " + fine(Math.min(...one.seconds)) + " and " + fine(Math.max(...one.seconds)), series: lines });
  }
}

function strainView(place) {
  const { loads, fuzz, security, attacks, unread } = facts.strain;
  if (unread.length) place.append(make("h3", { text: "Not read" }), make("ul", {}, ...unread.map((text) => make("li", { text: visible(text) }))));
  place.append(make("h3", { text: "Load" }));
  if (!loads.length) place.append(nothing("No load was put on the API: nox -s load, or invoke load.run."));
  else place.append(table("Load scenarios, the last time", ["Scenario", "Verdict", "#Answers per second", "#p50", "#p95", "#p99", "#Errors", "#Client's core", "Commit", "When"], loads.map((one) => [visible(one.scenario),
    mark(one.verdict === "passed" ? "good" : one.verdict === "failed" ? "bad" : "warning", one.verdict), one.throughput.toFixed(1) + " of " + number(one.wanted),
    ...[one.p50_ms, one.p95_ms, one.p99_ms].map((value) => value.toFixed(1) + " ms"), percent(one.error_rate), percent(one.client_share), short(one.commit), moment(one.measured)])));
  const broken = loads.filter((one) => one.findings.length);
  if (broken.length) place.append(make("ul", {}, ...broken.map((one) => make("li", { text: visible(one.scenario + ": " + one.findings.join("; ")) }))));
  place.append(make("h3", { text: "Fuzzing" }));
  if (!fuzz) place.append(nothing("The API was not asked at random: nox -s fuzz."));
  else {
    place.append(make("p", { text: plural(fuzz.operations, "operation") + ", " + plural(fuzz.findings.length, "finding") + ", " + moment(fuzz.measured) }));
    if (fuzz.findings.length) place.append(table("What schemathesis found", ["Operation", "Check", "Asks again"], fuzz.findings.map(([operation, check, again]) => [visible(operation), visible(check), make("span", { class: "node", text: visible(again) })])));
  }
  place.append(make("h3", { text: "Security tests" }));
  if (!security) place.append(nothing("No test with the marker security ran: nox -s security."));
  else place.append(make("p", { text: plural(security, "test") + " ran, " + number(attacks.length) + " failed" }), testList(attacks));
}
