// The views: each takes the place to fill. The facts are those of dashboard.json, word for word.
let facts = null, tests = null;

const VIEWS = {
  overview: ["Overview", overview],
  changes: ["Changes", changesView],
  failures: ["Failures", failuresView],
  tests: ["Tests", testsView],
  flaky: ["Flaky", flakyView],
  slowest: ["Slow", slowView],
  trends: ["Trends", trendsView],
  benchmarks: ["Benchmarks", benchmarksView],
  strain: ["Load and security", strainView],
  predictions: ["Predictions", predictionsView],
  coverage: ["Coverage", coverageView],
  resources: ["Resources", resourcesView],
  timeline: ["Timeline", timelineView],
  services: ["Services", servicesView],
};
const NEEDS_TESTS = new Set(["tests", "timeline", "test"]);
const COUNTS = {
  changes: () => facts.changes.length,
  failures: () => facts.groups.length,
  tests: () => facts.summary.tests,
  flaky: () => facts.flaky.length,
  benchmarks: () => facts.benchmarks.in_all,
  strain: () => facts.strain.attacks.length + facts.strain.loads.filter((one) => one.findings.length).length + (facts.strain.fuzz ? facts.strain.fuzz.findings.length : 0),
  predictions: () => facts.risks.length,
};

const nothing = (text) => make("p", { class: "soft", text });
const testList = (names) => make("ul", {}, ...names.map((name) => make("li", {}, testLink(name))));

function overview(place) {
  const sum = facts.summary, box = make("dl", { class: "figures" });
  const figures = [["Success rate", percent(sum.success_rate)], ["Tests", number(sum.tests)], ["Passed", number(sum.passed), "passed"],
    ["Failed", number(sum.failed), sum.failed ? "failed" : ""], ["Errors", number(sum.errors), sum.errors ? "error" : ""],
    ["Skipped", number(sum.skipped), "skipped"], ["Flaky", number(sum.flaky), sum.flaky ? "flaky" : ""],
    ["New failures", number(facts.states.new), facts.states.new ? "new" : ""], ["Fixed", number(facts.states.fixed), facts.states.fixed ? "fixed" : ""],
    ["Time of all tests", time(sum.duration)], ["Start to end", time(sum.elapsed)], ["Coverage", sum.coverage === null ? "–" : sum.coverage.toFixed(1) + " %"]];
  for (const [name, value, kind] of figures) box.append(make("div", {}, make("dt", { text: name }), make("dd", { class: kind || null, text: value })));
  if (facts.progress) place.append(progress());
  place.append(box);
  if (facts.complaints.length) place.append(make("h3", { text: "Missing" }), make("ul", {}, ...facts.complaints.slice(0, 50).map((text) => make("li", { text }))));
  place.append(make("h3", { text: "What matters" }), insights());
  if (facts.advice.length) place.append(make("h3", { text: "Recommendations" }), table("What the history recommends", ["About", "Evidence", "What to do"],
    facts.advice.map((one) => [one.subject.includes("::") ? testLink(one.subject) : visible(one.subject), one.evidence, one.action])));
  place.append(make("h3", { text: "Runs" }), table("Runs of this page", ["Run", "Profile", "Python", "Commit", "Started", "#Tests", "#Bad", "#Flaky", "#Start to end"],
    facts.trend.filter((point) => point.present).map((point) => [point.run, point.profile, point.python, point.commit.slice(0, 12), moment(point.started),
      number(point.tests), number(point.bad), number(point.flaky), time(point.wall)])));
}

function progress() {
  const now = facts.progress, rest = now.remaining === null ? "" : ", about " + time(now.remaining) + " to go";
  const told = number(now.done) + " of " + plural(now.wanted, "test") + ", " + number(now.bad) + " bad, " + time(now.elapsed) + rest;
  return make("div", { id: "progress" }, make("h3", { text: "Running: " + now.run }),
    make("progress", { class: "progress", max: now.wanted || 1, value: now.done, "aria-label": "Progress of the run" }), make("p", { text: told }),
    make("ul", {}, ...now.running.map(([worker, test, since]) => make("li", {}, worker + ": ", make("span", { class: "node", text: visible(test) }), " for " + time(Math.max(facts.created - since, 0))))));
}

function insights() {
  if (!facts.insights.length) return nothing("Nothing to remark.");
  const words = { bad: "Wrong: ", warning: "Watch: ", good: "Good: ", note: "Note: " };
  return make("ul", { class: "insights" }, ...facts.insights.map((one) => {
    const box = make("li", { class: "insight " + one.weight });
    box.append(make("p", {}, make("span", { class: "kind " + one.weight, text: words[one.weight] }), one.text + ". ",
      one.view ? make("a", { href: "#" + one.view, text: "Show" , "aria-label": "Show: " + one.text }) : null));
    if (one.action) box.append(make("p", { class: "soft", text: "What to do: " + one.action + "." }));
    if (one.tests.length) box.append(testList(one.tests));
    return box;
  }));
}

function changesView(place) {
  const against = facts.against.length ? "Seen against " + facts.against.join(", ") + "." : "There is no earlier run of the same profile and Python.";
  place.append(nothing(against));
  if (!facts.changes.length) place.append(nothing("No test changed its outcome."));
  const causes = Object.fromEntries(facts.groups.map((group) => [group.group, group.causes[0].cause]));
  const meaning = { new: "fail for the first time", regressed: "fail again", flaky: "good and bad on the same code", known: "fail as before", fixed: "good again" };
  for (const [state, count] of Object.entries(facts.states)) {
    if (!count) continue;
    const some = facts.changes.filter((change) => change.state === state);
    place.append(make("h3", {}, make("span", { class: state, text: state }), ": " + plural(count, "test") + ", " + meaning[state] + " ",
      make("a", { href: "#tests?state=" + state, text: "in the list", "aria-label": state + " in the list of tests" })));
    place.append(table(state, ["Test", "Outcome", "Cause"], some.slice(0, 100).map((change) => [testLink(change.test), make("span", { class: change.outcome, text: change.outcome }), causes[change.group] || ""])));
    if (some.length > 100) place.append(nothing("… and " + number(count - 100) + " more, in the list."));
  }
}

function failuresView(place) {
  if (!facts.groups.length) return place.append(nothing("Nothing failed."));
  const all = facts.groups.reduce((sum, group) => sum + group.count, 0);
  place.append(make("p", { text: plural(all, "failure") + ", " + plural(facts.groups.length, "cause") }));
  facts.groups.slice(0, 200).forEach((group, at) => {
    const box = make("details", { open: at < 3 });
    const best = group.causes[0];
    box.append(make("summary", {}, make("strong", { text: number(group.count) + " × " + group.category }), " " + best.cause + " ",
      make("span", { class: "soft", text: Math.round(best.confidence * 100) + " % sure" }), group.outage ? make("strong", { class: "bad", text: " outage" }) : null));
    box.append(make("h3", { text: "Causes, best first" }), make("ol", {}, ...group.causes.map((cause) => make("li", {}, cause.cause + " ",
      make("span", { class: "soft", text: "(" + cause.confidence.toFixed(2) + ")" }), make("pre", { tabindex: "0", text: cause.evidence })))));
    if (group.known) box.append(make("p", { text: group.known }));
    box.append(make("h3", { text: "Tests" }), testList(group.tests));
    if (group.count > group.tests.length) box.append(make("p", {}, make("a", { href: "#tests?group=" + (at + 1), text: "All " + number(group.count) + " in the list" })));
    place.append(box);
  });
}

function flakyView(place) {
  if (!facts.flaky.length) return place.append(nothing("No test was good and bad on the same code."));
  place.append(table("Good and bad on the same code, proven ones first", ["Test", "State", "Kind", "#Rate", "#Between", "#Results", "Last results", "Evidence"],
    facts.flaky.map((one) => [testLink(one.test), one.state, one.kind, percent(one.rate), Math.round(one.low * 100) + "–" + Math.round(one.high * 100) + " %", number(one.results), strip(one.last), one.evidence])));
}

function slowView(place) {
  place.append(make("h3", { text: "Slowest" }), table("Slowest tests", ["Test", "#Time", "#Before (median)", "#Of all"],
    facts.slowest.map((one) => [testLink(one.test), time(one.duration), time(one.typical), percent(one.share)])));
  place.append(make("h3", { text: "Slower than they were" }));
  if (!facts.slower.length) place.append(nothing("No test takes clearly longer than before."));
  else place.append(table("Slower than the median of earlier runs", ["Test", "#Time", "#Before (median)", "#Times"],
    facts.slower.map((one) => [testLink(one.test), time(one.duration), time(one.typical), "× " + (one.duration / one.typical).toFixed(1)])));
  place.append(make("h3", { text: "By file" }), table("Cost by file", ["File", "#Tests", "#Bad", "#Time", "#Peak memory"],
    facts.modules.map((one) => [make("span", { class: "node", text: one.file }), number(one.tests), number(one.bad), time(one.duration), bytes(one.memory)])));
}

function trendsView(place) {
  if (facts.shifts.length) {
    const unit = (one, value) => ["success", "late"].includes(one.metric) ? percent(value) : one.metric === "tests" ? number(Math.round(value)) : time(value);
    place.append(make("h3", { text: "Changed for good" }), table("Figures that have another level since some run", ["What", "Figure", "Since run", "Commit", "#Before", "#After"],
      facts.shifts.map((one) => [one.label.includes("::") ? testLink(one.label) : visible(one.label), one.metric, one.run, one.commit.slice(0, 12), unit(one, one.before), unit(one, one.after)])));
  }
  const names = [...new Set(facts.trend.map((point) => point.profile + " " + point.python))];
  const select = make("select", { "aria-label": "Profile and Python" }, ...names.map((name) => make("option", { value: name, text: name.trim() || "all" })));
  const now = facts.trend.findLast((point) => point.present) || facts.trend.at(-1);
  if (!now) return place.append(nothing("There is no run."));
  select.value = now.profile + " " + now.python;
  const box = make("div");
  place.append(make("div", { class: "controls" }, select), box);
  const draw = () => {
    box.replaceChildren();
    const points = facts.trend.filter((point) => point.profile + " " + point.python === select.value && point.tests);
    if (points.length < 2) return box.append(nothing("One run is no trend: this needs a second one."));
    const x = points.map((point) => point.started), last = points.at(-1);
    const rates = points.map((point) => (point.tests - point.bad - point.skipped) / Math.max(point.tests - point.skipped, 1));
    chart(box, { title: "Success rate", x, unit: percent, words: plural(points.length, "run") + ", the last " + percent(rates.at(-1)) + ", the lowest " + percent(Math.min(...rates)),
      series: [{ label: "Success rate", values: rates, colour: "good", fill: true }] });
    chart(box, { title: "Tests", x, unit: (value) => value === null ? "–" : number(Math.round(value)), words: "the last run has " + plural(last.tests, "test") + ", " + number(last.bad) + " of them bad",
      series: [{ label: "All", values: points.map((point) => point.tests), colour: "bar" }, { label: "Bad", values: points.map((point) => point.bad), colour: "bad" },
        { label: "Skipped", values: points.map((point) => point.skipped), colour: "skip" }, { label: "Flaky", values: points.map((point) => point.flaky), colour: "warn" }] });
    chart(box, { title: "Time", x, unit: time, words: "the last run took " + time(last.wall) + " for " + time(last.duration) + " of tests",
      series: [{ label: "Start to end", values: points.map((point) => point.wall), colour: "bar" }, { label: "All tests together", values: points.map((point) => point.duration), colour: "bar2" }] });
  };
  select.addEventListener("change", draw);
  draw();
}

function predictionsView(place) {
  place.append(nothing("How it is told: " + facts.risk_model + "."));
  if (!facts.risks.length) return place.append(nothing("No test is more likely than 30 % to fail in the next run."));
  place.append(table("Likely to fail in the next run", ["Test", "#Probability", "Risk", "Why", "What to do"], facts.risks.map((one) => [testLink(one.test),
    percent(one.probability), make("span", { class: one.risk, text: one.risk }), one.factors.join("; "), one.action])));
}

function coverageView(place) {
  const told = facts.coverage;
  if (!told) return place.append(nothing("Coverage was not measured: run a profile with coverage = true, then nox -s coverage."));
  const meter = (value) => make("span", {}, make("meter", { class: "meter", min: 0, max: 100, value, "aria-label": value.toFixed(1) + " percent" }), value.toFixed(1) + " %");
  place.append(make("p", {}, meter(told.percent), " of " + plural(told.statements, "statement") + "; " + number(told.missing) + " are not reached. Measured " + moment(told.measured) + "."));
  place.append(table("Least covered files", ["File", "#Covered", "#Missing statements"], told.files.map(([path, value, missing]) => [make("span", { class: "node", text: path }), meter(value), number(missing)])));
  if (told.files_in_all > told.files.length) place.append(nothing(number(told.files_in_all - told.files.length) + " more files are covered better."));
}

function resourcesView(place) {
  const rows = (list) => list.map((one) => [testLink(one.test), bytes(one.memory), time(one.cpu), time(one.duration)]);
  const headings = ["Test", "#Peak memory of its process", "#CPU", "#Time"];
  if (!facts.memory.length && !facts.cpu.length) return place.append(nothing("The runs did not record memory and CPU."));
  place.append(make("h3", { text: "Memory" }), table("Highest memory", headings, rows(facts.memory)),
    make("h3", { text: "CPU" }), table("Most CPU", headings, rows(facts.cpu)));
}

function timelineView(place) {
  if (!tests.timelines.length) place.append(nothing("There is no timeline: nothing ran, or too much to draw."));
  tests.timelines.forEach((one, number) => {
    const box = make("div");
    place.append(make("h3", { text: one.run }), box);
    timeline(box, number);
  });
  place.append(make("h3", { text: "Workers" }), table("What each worker did", ["Run", "Worker", "#Tests", "#Busy", "#First", "#Last", "#Idle at the end"], facts.workers.map((one) => {
    const end = Math.max(...facts.workers.filter((other) => other.run === one.run).map((other) => other.last));
    return [one.run, one.worker, number(one.tests), time(one.busy), time(one.first), time(one.last), time(end - one.last)];
  })));
}

function servicesView(place) {
  if (!facts.services.length) return place.append(nothing("No service of this project was up when this page was made."));
  place.append(table("Services when this page was made", ["Service", "Environment", "Runtime", "State", "Address", "Owner"],
    facts.services.map((one) => [one.service, one.environment, one.runtime, make("span", { class: one.state === "ready" ? "good" : "bad", text: one.state }), one.address, one.owner])));
}
