"use strict";

/* Keys, pointer and pen: what a reviewer does on the page. garments.js has what comes of it. */

function dropMarks() {
  marks = [];
  stroke = cross = tool = null;
}

function pick(key) {
  if (key === "n") chosen = -1;
  tool = key;
  if (!photo) tool = null;
  if (key === "n") tell("draw a box around the missed garment, then Enter or cut");
  else tell("");
  describe();
  draw();
}

function strokeWidth() {
  return Math.max(2, Math.round((Math.max(photo.width, photo.height) / 90) * brush));
}

function thicken(factor) {
  brush = Math.max(0.25, Math.min(8, brush * factor));
  if (photo) tell(`strokes of ${strokeWidth()} pixels`);
}

function moveCross(x, y, isFast) {
  const step = (Math.max(photo.width, photo.height) / 100) * (isFast ? 6 : 1);
  cross = cross || [photo.width / 2, photo.height / 2];
  cross = [
    Math.max(0, Math.min(photo.width - 1, cross[0] + x * step)),
    Math.max(0, Math.min(photo.height - 1, cross[1] + y * step)),
  ];
  if (stroke) penMove(cross);
  draw();
}

function pressPen() {
  if (!cross) moveCross(0, 0, false);
  else if (stroke) penUp();
  else penDown(cross);
}

/** Chooses the smallest garment at a point; the next larger one where that is chosen already. */
function chooseAt(point) {
  const within = paths
    .map((_, i) => i)
    .filter((i) => isWithin(paths[i], point))
    .sort((i, j) => photo.garments[i].area - photo.garments[j].area);
  choose(within.length ? within[(within.indexOf(chosen) + 1) % within.length] : -1);
}

function escape() {
  if (marks.length || stroke || tool) dropMarks();
  else chosen = -1;
  tell("");
  describe();
  draw();
}

function step(by) {
  if (!paths.length) return;
  const start = chosen < 0 && by < 0 ? 0 : chosen;
  choose((start + by + paths.length) % paths.length);
}

const KEYS = {
  a: () => decide("accept"),
  "Shift+a": acceptSure,
  r: () => decide("reject"),
  u: undo,
  j: () => move(1),
  k: () => move(-1),
  ArrowRight: () => move(1),
  ArrowLeft: () => move(-1),
  g: () => byId("go").select(),
  f: () => byId("filter").focus(),
  c: async () => {
    if (chosen < 0) await edit("category");
    else await setCategory(await chooseCategory(photo.garments[chosen].category));
  },
  d: () => edit("delete"),
  Delete: () => edit("delete"),
  t: () => change("trim"),
  s: () => edit("split"),
  b: () => pick("b"),
  n: () => pick("n"),
  p: () => pick("p"),
  x: () => pick("x"),
  m: () => { shows = (shows + 1) % SHOWN.length; draw(); },
  "[": () => thicken(1 / 1.4),
  "]": () => thicken(1.4),
  "?": () => byId("help").showModal(),
  Enter: () => cut(false),
  "Shift+Enter": () => cut(true),
  Escape: escape,
  Tab: () => step(1),
  "Shift+Tab": () => step(-1),
};
for (let digit = 1; digit <= 9; digit++) {
  KEYS[digit] = () => { if (digit <= paths.length) choose(digit - 1); };
}
const MOVES = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

document.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]")) return;
  if (event.target === byId("go")) {
    if (event.key === "Enter") go();
    if (event.key === "Enter" || event.key === "Escape") event.target.blur();
    return;
  }
  if (event.target.tagName === "SELECT") {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  let key = keyOf(event);
  if (tool && photo && (key in MOVES || key === " ")) {
    event.preventDefault();
    if (key === " ") pressPen();
    else moveCross(...MOVES[key], event.shiftKey);
    return;
  }
  if (event.shiftKey && `Shift+${key}` in KEYS) key = `Shift+${key}`;
  if (!(key in KEYS)) return;
  event.preventDefault();
  KEYS[key]();
});

canvas.addEventListener("pointerdown", (event) => {
  if (!photo || !image) return;
  if (!tool) {
    chooseAt(photoPoint(event));
    return;
  }
  canvas.setPointerCapture(event.pointerId);
  cross = null;
  penDown(photoPoint(event));
});
canvas.addEventListener("pointermove", (event) => {
  if (stroke && !cross) penMove(photoPoint(event));
});
canvas.addEventListener("pointerup", () => {
  if (stroke && !cross) penUp();
});
canvas.addEventListener("pointercancel", () => {
  stroke = null;
  draw();
});

function go() {
  const wanted = Number(byId("go").value) - 1;
  index = Math.max(0, Math.min(shown.length - 1, Number.isInteger(wanted) ? wanted : index));
  tell("");
  show();
}

byId("go").addEventListener("change", () => { if (document.activeElement !== byId("go")) go(); });
// Where buttons show no keys, the help names the buttons.
document.querySelectorAll("footer button").forEach((button) => {
  const [key, word] = [button.querySelector("kbd").textContent, button.lastChild.textContent.trim()];
  for (const one of byId("help").querySelectorAll("kbd")) {
    if (one.textContent === key) one.dataset.button = word;
  }
});
byId("close_help").addEventListener("click", () => byId("help").close());
byId("category").addEventListener("change", (event) => {
  event.target.blur();
  setCategory(event.target.value);
});
byId("filter").addEventListener("change", () => {
  byId("filter").blur();
  applyFilter();
});
window.addEventListener("resize", () => {
  if (!photo) return;
  fit(photo.width, photo.height);
  draw();
});

ask("photos").then((listed) => {
  photos = listed.photos;
  names = listed.categories;
  progress = listed;
  for (const name of names) byId("category").append(new Option(name));
  names.forEach((name, i) => byId("filter").append(new Option(`with ${name}`, `category ${i}`)));
  shown = photos;
  index = Math.max(0, photos.findIndex((one) => one.review === "pending"));
  return show();
}).catch((error) => tell(error.message, true));
