// Draws charts when they come into view, switches the theme, opens what a link leads to, and readies all for paper.

const figures = [...document.querySelectorAll("figure.chart")];
const inView = new IntersectionObserver(
  (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => draw(entry.target)),
  { rootMargin: "300px" }
);
figures.forEach((figure) => {
  const data = figure.querySelector(".data");
  data.addEventListener("toggle", () => data.open && showData(figure));
});
loadPlotly().then(
  () => figures.forEach((figure) => inView.observe(figure)),
  () => document.querySelectorAll(".plot").forEach((plot) => (plot.textContent = "This browser is too old to draw charts."))
);

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const toggle = document.getElementById("theme");
const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);

// A page from a file, or in a private window, may have no storage: the theme is then kept until it is closed.
function kept(value) {
  try {
    if (value === undefined) return localStorage.getItem("energytrain-theme");
    localStorage.setItem("energytrain-theme", value);
  } catch (error) {
    return null;
  }
  return value;
}

// Gives the charts that are drawn the theme's colours and the width of their place.
function themed() {
  toggle.textContent = isDark() ? "Light theme" : "Dark theme";
  const now = { template: template(), autosize: true };
  figures.filter((figure) => figure.drawn).forEach((figure) => Plotly.relayout(figure.querySelector(".plot"), now));
}

if (["light", "dark"].includes(kept())) root.dataset.theme = kept();
toggle.hidden = false;
toggle.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  kept(root.dataset.theme);
  themed();
});
dark.addEventListener("change", themed);
themed();

const runs = [...document.querySelectorAll("details.run")];
for (const [id, open] of [["open-all", true], ["close-all", false]]) {
  const button = document.getElementById(id);
  if (!button) continue;
  button.hidden = false;
  button.addEventListener("click", () => runs.forEach((run) => (run.open = open)));
}
if (window.matchMedia("(max-width: 62rem)").matches) document.querySelector("nav details").open = false;

function unfold() {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  target.scrollIntoView();
}
window.addEventListener("hashchange", unfold);
unfold();

let folded = [];
let theme;
window.addEventListener("beforeprint", () => {
  if (root.dataset.printing) return;
  folded = [...document.querySelectorAll("details:not([open]):not(.data)")];
  folded.forEach((details) => (details.open = true));
  theme = root.dataset.theme;
  root.dataset.theme = "light";
  root.dataset.printing = "yes";
  themed();
  figures.forEach(draw);
});
window.addEventListener("afterprint", () => {
  delete root.dataset.printing;
  if (theme === undefined) delete root.dataset.theme;
  else root.dataset.theme = theme;
  themed();
  // Last, since plotly cannot measure what is folded.
  folded.forEach((details) => (details.open = false));
});
