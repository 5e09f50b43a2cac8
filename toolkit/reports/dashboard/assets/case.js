// The page of one test: what it is, what it did, why it failed, how it did before.
function caseView(place, name) {
  const at = tests.find(name);
  if (at === undefined) return place.append(nothing("No test of this name is known: " + name));
  const letter = tests.letter(at), word = outcomeOf(letter), past = tests.history(at), state = tests.state(at);
  const { duration, memory, cpu, line, attempts, worker, risk } = tests.columns;
  const box = make("dl", { class: "figures" });
  const figures = [["Outcome", word === "none" ? "not run" : word, word], ["Change", state || "none", state], ["Time", time(duration[at])], ["Attempts", attempts[at] || "–"],
    ["CPU", time(cpu[at])], ["Peak memory", bytes(memory[at] * 1024)], ["Worker", tests.workerNames[worker[at]] || "–"], ["Risk", risk[at] ? risk[at] + " %" : "below 30 %"]];
  for (const [label, value, kind] of figures) box.append(make("div", {}, make("dt", { text: label }), make("dd", { class: kind || null, text: value })));
  place.append(box);
  const file = tests.files[tests.columns.file[at]];
  place.append(make("p", { class: "soft" }, file + (line[at] ? ":" + line[at] : ""), tests.markers(at).length ? " · markers: " + tests.markers(at).join(", ") : ""));
  place.append(command("pytest " + quoted(name)));
  for (const one of facts.profiles.filter((each) => each.test === name)) place.append(profileLine(one));
  if (facts.benchmarks.rows.some((one) => one.test === name)) place.append(make("p", {}, make("a", { href: benchmarkAddress(name), text: "Its medians from commit to commit" })));
  for (const detail of tests.details.filter((one) => one.test === at)) place.append(failure(detail));
  if (isBad(letter) && !tests.details.some((one) => one.test === at)) place.append(nothing("Its failure is not told here: " + number(tests.failing - tests.details.length) + " more failed than there is room for. invoke failures.show tells it."));
  const risky = facts.risks.find((one) => one.test === name), flaky = facts.flaky.find((one) => one.test === name);
  if (risky) place.append(make("h3", { text: "Likely to fail: " + percent(risky.probability) }), make("p", { text: risky.factors.join("; ") + ". " + risky.action + "." }));
  if (flaky) place.append(make("h3", { text: "Flaky: " + percent(flaky.rate) }), make("p", { text: flaky.evidence + ", in " + plural(flaky.results, "result") + "." }));
  historyOf(place, past);
}

/** A page beside this one; a live page is served alone, so there it is only named. */
function profileLine(one) {
  const words = "Profile of its " + one.kind;
  const link = mode === "live" ? make("span", { class: "node", text: words + ": " + visible(one.page) }) : make("a", { href: one.page, text: words });
  return make("p", {}, link, make("span", { class: "soft", text: ", of " + moment(one.made) + ", when it took " + time(one.seconds) }));
}

function command(text) {
  const button = make("button", { type: "button", text: "Copy" });
  const shown = make("code", { text: visible(text) });
  button.addEventListener("click", async () => {
    try { await navigator.clipboard.writeText(text); button.textContent = "Copied"; } catch { getSelection().selectAllChildren(shown); button.textContent = "Selected"; }
  });
  return make("p", { class: "mono" }, shown, " ", button);
}

const quoted = (text) => /^[\w@%+=:,./-]+$/.test(text) ? text : "'" + text.replaceAll("'", "'\"'\"'") + "'";

function failure(detail) {
  const box = make("section", { "aria-label": "Failure in " + detail.run });
  box.append(make("h3", {}, make("span", { class: detail.outcome, text: detail.outcome }), " in " + detail.run + " on " + detail.worker + (detail.number > 1 ? ", attempt " + detail.number : "")));
  if (detail.outage) box.append(make("p", { class: "bad", text: "This came of an outage: it says nothing about the test." }));
  if (detail.reason) box.append(make("p", { text: detail.reason }));
  box.append(make("p", { text: "Kind: " + detail.category }), make("ol", {}, ...detail.causes.map((cause) => make("li", {}, cause.cause + " ",
    make("span", { class: "soft", text: "(" + cause.confidence.toFixed(2) + ") " }), make("span", { class: "mono", text: cause.evidence })))));
  if (detail.evidence.length) box.append(evidence(detail.evidence));
  for (const phase of detail.phases) {
    box.append(make("p", { class: "mono", text: phase.phase + (phase.exception ? ": " + phase.exception : "") }));
    if (phase.message) box.append(make("pre", { tabindex: "0", text: phase.message }));
    if (phase.traceback && phase.traceback !== phase.message) box.append(make("details", { open: true }, make("summary", { text: "Traceback" }), make("pre", { tabindex: "0", text: phase.traceback })));
    for (const [title, text] of Object.entries(phase.output)) box.append(make("details", {}, make("summary", { text: title }), make("pre", { tabindex: "0", text })));
  }
  return box;
}

function evidence(lines) {
  return make("details", { open: true }, make("summary", { text: "At the moment of failure" }), make("ul", {}, ...lines.map((text) => make("li", { text }))));
}

function historyOf(place, past) {
  if (!past.length) return place.append(nothing("It has no earlier result."));
  const rows = past.filter((one) => facts.trend[one.run]);
  const oldest = rows.slice().reverse(), bad = rows.filter((one) => isBad(one.letter)).length;
  place.append(make("h3", { text: "History" }), strip(oldest.map((one) => one.letter).join("")), make("p", { class: "soft", text: plural(rows.length, "result") + ", " + number(bad) + " of them bad" }));
  if (rows.length > 1) {
    const values = oldest.map((one) => one.seconds), known = values.filter((value) => value !== null);
    chart(place, { title: "Time over its last results", x: oldest.map((_, at) => at), labels: oldest.map((one) => facts.trend[one.run].run), unit: time, height: 180,
      words: known.length ? "between " + time(Math.min(...known)) + " and " + time(Math.max(...known)) : "no durations",
      series: [{ label: "Good", values: oldest.map((one) => isBad(one.letter) ? null : one.seconds), colour: "bar" },
        { label: "Bad", values: oldest.map((one) => isBad(one.letter) ? one.seconds : null), colour: "bad" }] });
  }
  place.append(table("Results, newest first", ["Run", "When", "Profile", "Python", "Commit", "Outcome", "#Time"], rows.map((one) => {
    const run = facts.trend[one.run], word = outcomeOf(one.letter);
    return [run.run, moment(run.started), run.profile, run.python, run.commit.slice(0, 12), make("span", { class: word, text: word }), time(one.seconds)];
  })));
}
