// The data of a chart as a table under it, and as a CSV file.

const ROWS = 1000; // that the table shows at most

const plain = (text) =>
  String(text).replace(/<br>/g, "\n").replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");
const shown = (value) => (value === null || value === undefined ? "" : typeof value === "number" ? value : plain(value));

// Without what a subtraction leaves in the last binary digits.
const exact = (value) => Number(value.toPrecision(9));

function rowsOf({ data, layout, names }) {
  const [x, y] = ["xaxis", "yaxis"].map((axis) => plain(layout[axis].title.text).replace(/\n/g, " "));
  const map = data.find((trace) => trace.type === "heatmap");
  const rows = [map ? [y, x, plain(map.colorbar.title.text)] : ["series", x, y, "low", "high"]];
  if (map) map.z.forEach((line, i) => line.forEach((value, j) => rows.push([map.y[i], map.x[j], value].map(shown))));
  for (const trace of map ? [] : data.filter((one) => one.meta)) {
    const bars = trace.error_y || trace.error_x || {};
    const middle = trace.error_y ? trace.y : trace.x;
    trace.x.forEach((at, i) => {
      const [less, more] = [bars.arrayminus && bars.arrayminus[i], bars.array && bars.array[i]];
      const ends = [less == null ? null : exact(middle[i] - less), more == null ? null : exact(middle[i] + more)];
      rows.push([names[trace.meta.series], shown(at), shown(trace.y[i]), ...ends.map(shown)]);
    });
  }
  return rows;
}

const quoted = (cell) => (/[",\n]/.test(cell) ? '"' + String(cell).replace(/"/g, '""') + '"' : cell);

function showData(figure) {
  const held = figure.querySelector(".data .held");
  if (held.firstChild) return;
  const chart = figure.drawn || JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
  const [head, ...rows] = rowsOf(chart);
  const save = make("button", { type: "button" }, "Save as CSV");
  save.addEventListener("click", () => {
    const csv = [head, ...rows].map((row) => row.map(quoted).join(",")).join("\n") + "\n";
    const link = make("a", { download: figure.dataset.key + ".csv" });
    link.href = URL.createObjectURL(new Blob([csv], { type: "text/csv" }));
    link.click();
    URL.revokeObjectURL(link.href);
  });
  const controls = make("div", { class: "controls" });
  controls.append(save, make("span", { class: "count" }, rows.length > ROWS ? `the first ${ROWS} of ${rows.length} rows` : `${rows.length} ${rows.length === 1 ? "row" : "rows"}`));
  const scroll = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Data of this chart" });
  const table = scroll.appendChild(make("table"));
  const line = table.createTHead().insertRow();
  head.forEach((title) => line.append(make("th", { scope: "col" }, title)));
  const body = table.createTBody();
  for (const row of rows.slice(0, ROWS)) {
    const tr = body.insertRow();
    row.forEach((cell) => tr.append(make("td", typeof cell === "number" ? { class: "n" } : {}, cell)));
  }
  held.append(controls, scroll);
}
