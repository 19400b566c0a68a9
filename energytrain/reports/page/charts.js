// Draws the charts of the page with plotly, in the colours of its theme, and their legends.
// Texts from runs reach the page as text only: here through textContent, in plotly escaped beforehand.

const root = document.documentElement;
const coarse = window.matchMedia("(pointer: coarse)").matches;
const LETTER = 8; // pixels, the width of a letter in an axis title
const NARROW = 480; // pixels, below which a colour scale stands above its map

function make(tag, attributes, text) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function template() {
  const style = getComputedStyle(root);
  const colour = (name) => style.getPropertyValue(name).trim();
  const [ink, quiet, line, grid, card] = ["--ink", "--quiet", "--line", "--grid", "--card"].map(colour);
  const axis = { gridcolor: grid, zerolinecolor: line, linecolor: line, tickcolor: line, tickfont: { color: quiet } };
  const bar = { tickcolor: line, tickfont: { color: quiet }, title: { font: { color: quiet } } };
  return {
    layout: {
      font: { color: ink, family: getComputedStyle(document.body).fontFamily, size: 12.5 },
      paper_bgcolor: card,
      plot_bgcolor: card,
      xaxis: axis,
      yaxis: axis,
      hoverlabel: { bgcolor: card, bordercolor: line, font: { color: ink }, align: "left" },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: quiet, activecolor: ink },
    },
    data: {
      scatter: [{ marker: { line: { color: card, width: 1 } } }],
      bar: [{ error_y: { color: quiet }, marker: { line: { color: card, width: 0.5 } } }],
      heatmap: [{ colorbar: bar }],
    },
  };
}

const CONFIG = {
  responsive: true,
  displaylogo: false,
  displayModeBar: coarse ? false : "hover",
  showSendToCloud: false,
  showEditInChartStudio: false,
  plotlyServerURL: "",
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "sendDataToCloud"],
};

function draw(figure) {
  const plot = figure.querySelector(".plot");
  if (figure.drawn || !plot.clientWidth || !window.Plotly) return;
  figure.drawn = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
  const { data, layout, legend } = figure.drawn;
  Object.assign(layout, {
    template: template(),
    showlegend: false,
    hovermode: "closest",
    dragmode: coarse ? false : "zoom",
    margin: { l: 56, r: 24, t: 14, b: 44 },
    bargap: 0.25,
  });
  wrapped(layout.xaxis.title, plot.clientWidth - 90);
  wrapped(layout.yaxis.title, layout.height - 110);
  layout.margin.b += 16 * (layout.xaxis.title.text.split("<br>").length - 1);
  if (layout.xaxis.type === "category") turned(layout, plot.clientWidth - 90);
  if (plot.clientWidth < NARROW && data.some((trace) => trace.type === "heatmap")) below(data[0].colorbar);
  Plotly.newPlot(plot, data, layout, { ...CONFIG, toImageButtonOptions: { filename: figure.dataset.key, scale: 2 } });
  if (legend.length > 1) legend.forEach((entry) => figure.querySelector(".legend").append(switcher(plot, entry)));
}

// Plotly cuts the title of an axis that is longer than the axis.
function wrapped(title, room) {
  const lines = [""];
  for (const word of title.text.split(" ")) {
    const longer = lines[lines.length - 1] ? `${lines[lines.length - 1]} ${word}` : word;
    if (longer.length * LETTER > room && lines[lines.length - 1]) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  title.text = lines.join("<br>");
}

// Left to itself plotly turns labels and moves margins in turns. Slanted ones end at their place, and the first of them
// may reach beyond the axis.
function turned(layout, room) {
  const { xaxis, margin } = layout;
  const labels = xaxis.ticktext || xaxis.categoryarray;
  const [each, lengths] = [room / labels.length, labels.map((label) => LETTER * letters(label))];
  xaxis.tickangle = Math.max(...lengths) <= each ? 0 : each >= 22 ? -40 : -90;
  if (xaxis.tickangle === -40) margin.l = Math.max(margin.l, ...lengths.map((length, at) => 0.77 * length - each * (at + 0.5)));
  layout.bargap = Math.max(layout.bargap, 1 - labels.length / 8); // one bar alone is not as wide as the chart
}

const letters = (text) => text.replace(/&[a-z]+;/g, "x").length;

// On a narrow page a colour scale beside the map would take a third of its width.
function below(bar) {
  Object.assign(bar, { orientation: "h", y: 1, yanchor: "bottom", thickness: 10 });
  bar.title.side = "top";
}

function switcher(plot, entry) {
  const button = make(entry.traces.length ? "button" : "span");
  button.append(swatch(entry), make("b", {}, entry.name));
  if (!entry.traces.length) return button;
  button.type = "button";
  button.setAttribute("aria-pressed", "true");
  button.addEventListener("click", () => {
    const shown = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(shown));
    Plotly.restyle(plot, { visible: shown }, entry.traces);
  });
  return button;
}

const SYMBOLS = {
  circle: "M8 3a5 5 0 1 0 .01 0z",
  square: "M3.5 3.5h9v9h-9z",
  diamond: "M8 2l6 6-6 6-6-6z",
  "triangle-up": "M8 2.5l6 10.5H2z",
  "triangle-down": "M8 13.5L2 3h12z",
  cross: "M6 2h4v4h4v4h-4v4H6v-4H2V6h4z",
  star: "M8 1.5l2 4.6 5 .4-3.8 3.3 1.2 4.9L8 12l-4.4 2.7 1.2-4.9L1 6.5l5-.4z",
};
const DRAWN_AS = { line: "M1 8h14", steps: "M1 12h5V5h9", bars: "M2 3h12v10H2z", shade: "M1 2h14v12H1z", gap: "M1 2h14v12H1z" };

function swatch(entry) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const path = svg.appendChild(document.createElementNS(space, "path"));
  const stroked = entry.kind === "line" || entry.kind === "steps";
  const hollow = stroked || entry.symbol.includes("-open");
  for (const [name, value] of Object.entries({ viewBox: "0 0 16 16", width: 14, height: 14, "aria-hidden": "true" })) {
    svg.setAttribute(name, value);
  }
  path.setAttribute("d", DRAWN_AS[entry.kind] || SYMBOLS[entry.symbol.replace(/-open|-dot/g, "")]);
  path.setAttribute("fill", hollow ? "none" : entry.colour);
  path.setAttribute("stroke", hollow ? entry.colour : "none");
  path.setAttribute("stroke-width", "2");
  if (stroked && entry.dashed) path.setAttribute("stroke-dasharray", "4 2.5");
  if (entry.kind === "shade" || entry.kind === "gap") path.setAttribute("fill-opacity", entry.kind === "gap" ? 0.4 : 0.3);
  return svg;
}
