"use strict";
// Sorts tables by the buttons in their heads, and narrows the table of points.

function keyOf(row, column) {
  const cell = row.cells[column];
  return cell.dataset.v === undefined ? cell.textContent.trim().toLowerCase() : Number(cell.dataset.v);
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), undefined, { numeric: true });
}

function sortBy(table, head) {
  const down = head.getAttribute("aria-sort") === "descending" ||
    (head.getAttribute("aria-sort") !== "ascending" && head.dataset.first !== "down");
  const sign = down ? 1 : -1;
  const rows = Array.from(table.tBodies[0].rows, (row) => [keyOf(row, head.cellIndex), row]);
  rows.sort((a, b) => sign * compare(a[0], b[0]));
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "ascending" : "descending");
  table.tBodies[0].append(...rows.map((pair) => pair[1]));
}

for (const table of document.querySelectorAll("table.sortable")) {
  for (const head of table.tHead.rows[0].cells) {
    const button = head.querySelector("button");
    if (button) button.addEventListener("click", () => sortBy(table, head));
  }
}

const points = document.getElementById("points-table");
const lossy = document.getElementById("only-lossy");
const wanted = document.getElementById("wanted");
const shown = document.getElementById("shown");

function narrow() {
  const text = wanted.value.trim().toLowerCase();
  let count = 0;
  for (const row of points.tBodies[0].rows) {
    const named = (row.cells[1].textContent + " " + row.cells[2].textContent).toLowerCase();
    row.hidden = (lossy.checked && row.dataset.lossy !== "1") || !named.includes(text);
    count += row.hidden ? 0 : 1;
  }
  shown.textContent = count + " of " + points.tBodies[0].rows.length + " shown";
}

if (points) {
  document.getElementById("controls").hidden = false;
  lossy.addEventListener("change", narrow);
  wanted.addEventListener("input", narrow);
  narrow();
}

let opened = [];
window.addEventListener("beforeprint", () => {
  opened = Array.from(document.querySelectorAll("details:not([open])"));
  for (const one of opened) one.open = true;
});
window.addEventListener("afterprint", () => {
  for (const one of opened) one.open = false;
});
