// Charts by uPlot, each with a sentence and a table for those who do not see it; and the timeline of workers.
const drawn = [];

/** Draw lines over x. Each series: {label, values, colour, unit}. Values may hold null. */
function chart(place, { title, x, series, words, unit, labels, what = labels ? "Result" : "Run", height = 220 }) {
  const holder = make("div", { class: "chart", role: "img", "aria-label": title + ". " + words });
  const box = make("div", { "aria-hidden": "true" });
  holder.append(box);
  const rows = x.map((at, index) => [labels ? labels[index] : moment(at), ...series.map((one) => unit(one.values[index]))]);
  place.append(make("h3", { text: title }), make("p", { class: "soft", text: words }), holder,
    make("details", {}, make("summary", { text: "Figures of this chart" }),
      table(title, [what, ...series.map((one) => "#" + one.label)], rows.slice(-200).reverse())));
  const draw = () => {
    box.replaceChildren();
    const axis = { stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line") } };
    const plot = new uPlot({
      width: Math.max(holder.clientWidth, 320), height,
      scales: { x: { time: !labels } },
      axes: [{ ...axis }, { ...axis, size: 70, values: (_, ticks) => ticks.map(unit) }],
      series: [labels ? { label: what, value: (_, at) => at === null ? "" : labels[at] || "" } : { label: "Run" },
        ...series.map((one) => ({ label: one.label, stroke: colour(one.colour), width: 2, spanGaps: true,
          points: { show: x.length < 60, size: 6, fill: colour(one.colour) }, fill: one.fill ? colour(one.colour) + "22" : undefined,
          value: (_, value) => unit(value) }))],
    }, [labels ? x.map((_, index) => index) : x, ...series.map((one) => one.values)], box);
    holder.plot = plot;
  };
  draw();
  drawn.push({ holder, draw });
}

function redraw() {
  for (let at = drawn.length - 1; at >= 0; at--) {
    if (drawn[at].holder.isConnected) drawn[at].draw();
    else drawn.splice(at, 1);
  }
}

/** One row per worker, one bar per attempt; a click opens the test. */
function timeline(place, number) {
  const { run, workers } = tests.timelines[number];
  const [start, length, worker, test, bad] = ["start", "length", "worker", "test", "bad"].map((name) => tests.columns["timeline" + number + "." + name]);
  let end = 0.001;
  for (let at = 0; at < start.length; at++) end = Math.max(end, start[at] + length[at]);
  const ROW = 28, LEFT = 60, height = workers.length * ROW + 26;
  const canvas = make("canvas", { class: "timeline", role: "img", "aria-label": "Timeline of " + plural(workers.length, "worker") + " of " + run + "; the table below has its figures" });
  const status = make("p", { class: "soft mono", text: "Point at a bar to see its test; a click opens it." });
  place.append(canvas, status);
  const draw = () => {
    const width = Math.max(place.clientWidth, 320), ratio = devicePixelRatio || 1;
    canvas.width = width * ratio; canvas.height = height * ratio;
    canvas.style.height = height + "px";
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.clearRect(0, 0, width, height);
    pen.font = "12px system-ui, sans-serif";
    const scale = (width - LEFT - 10) / end;
    const good = [colour("bar"), colour("bar2")], wrong = colour("bad"), text = colour("fore"), line = colour("line");
    for (let tick = 0; tick <= 5; tick++) {
      const x = LEFT + (width - LEFT - 10) * tick / 5;
      pen.fillStyle = line; pen.fillRect(x, 0, 1, workers.length * ROW);
      pen.fillStyle = text; pen.textAlign = tick === 5 ? "right" : "center"; pen.fillText(time(end * tick / 5), x, height - 8);
    }
    pen.textAlign = "left";
    workers.forEach((name, row) => { pen.fillStyle = text; pen.fillText(name, 6, row * ROW + 18); });
    const turn = new Uint8Array(workers.length);
    for (let at = 0; at < start.length; at++) {
      const row = worker[at];
      pen.fillStyle = bad[at] ? wrong : good[turn[row] ^= 1];
      pen.fillRect(LEFT + start[at] * scale, row * ROW + 4, Math.max(length[at] * scale, bad[at] ? 2 : 0.6), ROW - 8);
    }
  };
  const at = (event) => {
    const box = canvas.getBoundingClientRect(), row = Math.floor((event.clientY - box.top) / ROW);
    const when = (event.clientX - box.left - LEFT) / (box.width - LEFT - 10) * end, near = end / (box.width - LEFT) * 2;
    for (let place = 0; place < start.length; place++) {
      if (worker[place] === row && when >= start[place] - near && when <= start[place] + length[place] + near) return place;
    }
    return -1;
  };
  canvas.addEventListener("mousemove", (event) => {
    const found = at(event);
    if (found >= 0) status.textContent = visible(tests.name(test[found])) + " – " + time(length[found]) + " from " + time(start[found]);
  });
  canvas.addEventListener("click", (event) => { const found = at(event); if (found >= 0) location.hash = testAddress(tests.name(test[found])); });
  draw();
  drawn.push({ holder: canvas, draw });
}
