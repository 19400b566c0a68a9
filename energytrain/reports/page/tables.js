// Sorts and filters the tables of all runs.

function sorting(sheet) {
  const body = sheet.querySelector("tbody");
  const rows = [...body.rows];
  const heads = [...sheet.querySelectorAll("thead th")];
  const number = (cell) => (cell.dataset.v === undefined ? NaN : Number(cell.dataset.v));
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const now = { none: "ascending", ascending: "descending", descending: "none" }[head.getAttribute("aria-sort")];
      heads.forEach((other) => other.setAttribute("aria-sort", other === head ? now : "none"));
      const sign = now === "descending" ? -1 : 1;
      const numeric = head.classList.contains("n");
      const key = (row) => (numeric ? number(row.cells[column]) : row.cells[column].textContent.trim());
      const missing = (value) => (numeric ? Number.isNaN(value) : value === "");
      const ordered = rows.map((row) => ({ row, value: key(row) }));
      if (now !== "none") {
        ordered.sort((a, b) => {
          if (missing(a.value) || missing(b.value)) return missing(a.value) - missing(b.value);
          return sign * (numeric ? a.value - b.value : a.value.localeCompare(b.value, undefined, { numeric: true }));
        });
      }
      sheet.classList.toggle("sorted", now !== "none");
      body.append(...ordered.map(({ row }) => row));
    });
  });
}

function filtering(sheet) {
  const rows = [...sheet.querySelectorAll("tbody tr")].map((row) => ({ row, text: row.textContent.toLowerCase() }));
  const input = sheet.querySelector('input[type="search"]');
  const selects = [...sheet.querySelectorAll("select")];
  const count = sheet.querySelector(".count");
  function apply() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    for (const { row, text } of rows) {
      const chosen = selects.every((s) => !s.value || row.cells[s.dataset.column].textContent.trim() === s.value);
      row.hidden = !(chosen && words.every((word) => text.includes(word)));
      left += !row.hidden;
    }
    const all = `${rows.length} ${rows.length === 1 ? "row" : "rows"}`;
    count.textContent = left === rows.length ? all : `${left} of ${all}`;
  }
  input.addEventListener("input", apply);
  selects.forEach((select) => select.addEventListener("change", apply));
  apply();
}

document.querySelectorAll("[data-sheet]").forEach((sheet) => {
  sorting(sheet);
  filtering(sheet);
});
