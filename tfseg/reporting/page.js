// Sorts a table by the column whose head is clicked; rows of class "total" stay first.
for (const table of document.querySelectorAll("table.sortable")) {
  table.tHead.addEventListener("click", (event) => {
    const head = event.target.closest("th");
    if (!head) return;
    const value = (row) => {
      const cell = row.cells[head.cellIndex];
      const text = cell.dataset.value ?? cell.textContent.trim();
      return text === "" || isNaN(text) ? text : Number(text);
    };
    const rows = [...table.tBodies[0].rows].filter((row) => !row.classList.contains("total"));
    const isNumeric = rows.some((row) => typeof value(row) === "number");
    const down = head.dataset.order ? head.dataset.order === "up" : isNumeric;
    for (const other of head.parentNode.cells) delete other.dataset.order;
    head.dataset.order = down ? "down" : "up";
    rows.sort((first, second) => {
      const [a, b] = [value(first), value(second)];
      if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;  // no value: last
      const order = typeof a === "number" ? a - b : a.localeCompare(b);
      return down ? -order : order;
    });
    table.tBodies[0].append(...rows);
  });
}
// A link to a category opens its strips, and goes there once they are open.
addEventListener("hashchange", openTarget);
openTarget();
function openTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement && !target.open) {
    target.open = true;
    target.scrollIntoView();
  }
}
