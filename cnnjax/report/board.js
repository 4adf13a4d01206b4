"use strict";
const board = document.getElementById("board");
const body = board.tBodies[0];
const rows = [...body.rows];
const verdict = document.getElementById("verdict");
const text = document.getElementById("text");

function filter() {
  const words = text.value.toLowerCase();
  let shown = 0;
  for (const row of rows) {
    const wanted = (!verdict.value || row.dataset.verdict === verdict.value)
      && row.textContent.toLowerCase().includes(words);
    row.hidden = !wanted;
    shown += wanted;
  }
  document.getElementById("shown").textContent = `${shown} of ${rows.length} rows shown`;
}

function sort(header, column) {
  const down = header.getAttribute("aria-sort") === "ascending";
  for (const other of board.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", down ? "descending" : "ascending");
  const key = (row) => row.cells[column].textContent.trim().toLowerCase();
  const number = (row) => parseFloat(key(row).replace("−", "-"));
  const numbers = column === 2;
  const ordered = [...rows].sort((a, b) => numbers
    ? (isNaN(number(a)) - isNaN(number(b))) || ((number(a) - number(b)) * (down ? -1 : 1) || 0)
    : key(a).localeCompare(key(b)) * (down ? -1 : 1));
  body.append(...ordered);
}

[...board.tHead.rows[0].cells].forEach((header, column) => {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = header.textContent;
  button.addEventListener("click", () => sort(header, column));
  header.replaceChildren(button);
});
verdict.addEventListener("change", filter);
text.addEventListener("input", filter);
document.querySelector(".tools").addEventListener("submit", (event) => event.preventDefault());
document.querySelector(".tools").hidden = false;
filter();
