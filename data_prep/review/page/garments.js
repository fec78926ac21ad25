"use strict";

const byId = (id) => document.getElementById(id);
const TOOLS = { b: "box", n: "box", p: "product", x: "background" };
const SHOWN = ["masks", "outlines", "nothing"];

let photos = []; // {name, review, reasons, categories}, in order
let shown = []; // those that the filter lets through
let names = []; // of categories
let index = 0;
let photo = null; // the one shown, with its garments, once it is there
let image = null;
let paths = [];
let chosen = -1;
let tool = null;
let marks = [];
let stroke = null;
let cross = null; // of drawing by keyboard
let brush = 1;
let shows = 0;
let loading = 0;
let failed = false;
let progress = {};
const underway = new Set(); // names of photos that the server is changing

class Refused extends Error {
  constructor(status, answer) {
    super(answer.error);
    this.isStale = status === 409;
    this.answer = answer;
  }
}

async function ask(path, body) {
  const options = body && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  const response = await fetch(path, options);
  const answer = await response.json();
  if (!response.ok) throw new Refused(response.status, answer);
  return answer;
}

function loadImage(name) {
  return new Promise((resolve, reject) => {
    const loaded = new Image();
    loaded.onload = () => resolve(loaded);
    loaded.onerror = () => reject(new Error(`${name} cannot be shown`));
    loaded.src = `photo?name=${encodeURIComponent(name)}&at=${Date.now()}`;
  });
}

function tell(text, isError = false) {
  byId("message").textContent = text;
  byId("message").className = isError ? "error" : "";
}

function draw() {
  if (!photo) return;
  drawPhoto(image, photo.width, photo.height);
  if (SHOWN[shows] !== "nothing") {
    const order = paths.map((_, i) => i).filter((i) => i !== chosen);
    if (chosen >= 0) order.push(chosen);
    for (const i of order) {
      const look = { isFilled: SHOWN[shows] === "masks", isDashed: photo.garments[i].is_doubtful };
      drawGarment(paths[i], i, i === chosen, look);
    }
    const taken = [];
    for (const i of order.reverse()) { // the chosen one's label goes where it belongs
      const garment = photo.garments[i];
      const text = i === chosen ? `${i + 1} ${garment.category}` : `${i + 1}`;
      drawLabel(text, labelPlace(garment.contours), i, i === chosen, taken, photo.width);
    }
  }
  for (const mark of stroke ? [...marks, stroke] : marks) drawMark(mark);
  if (cross) drawCross(cross);
}

function describeProgress() {
  const { num_decided: done = 0, num_photos: all = 0, photos_per_hour: rate } = progress;
  byId("progress").max = Math.max(1, all);
  byId("progress").value = done;
  const hours = rate ? (all - done) / rate : 0;
  const left = hours >= 1 ? `${hours.toFixed(1)} h` : `${Math.ceil(hours * 60)} min`;
  byId("rate").textContent = `${done} of ${all}${rate ? `, ${rate} an hour, ${left} left` : ""}`;
}

function describe() {
  const listed = shown[index];
  const state = photo ? photo.review : listed ? listed.review : "";
  if (document.activeElement !== byId("go")) byId("go").value = listed ? index + 1 : "";
  byId("go").max = shown.length;
  byId("num_shown").textContent = listed ? shown.length : "no photos here";
  byId("name").textContent = byId("name").title = listed ? listed.name : "";
  byId("reasons").textContent = byId("reasons").title = listed ? listed.reasons.join("; ") : "";
  byId("state").textContent = byId("state").className = state;
  describeProgress();
  describeGarments();
  canvas.classList.toggle("draws", Boolean(tool));
  document.querySelectorAll("footer button.tool").forEach((button) => {
    button.classList.toggle("chosen", button.dataset.key === tool);
  });
}

function describeGarments() {
  const garments = photo ? photo.garments : [];
  byId("garments").replaceChildren(
    ...garments.map((garment, i) => {
      const button = document.createElement("button");
      button.setAttribute("role", "option");
      button.setAttribute("aria-selected", String(i === chosen));
      button.classList.toggle("chosen", i === chosen);
      button.classList.toggle("doubtful", garment.is_doubtful);
      const parts = [`${i + 1}`, garment.category, garment.score === null ? "drawn" : garment.score.toFixed(2)];
      button.append(...parts.map((text) => Object.assign(document.createElement("span"), { textContent: text })));
      button.children[0].className = "number";
      button.children[0].style.background = colorOf(i);
      button.children[2].className = "score";
      button.addEventListener("click", () => {
        choose(i);
        canvas.focus();
      });
      return button;
    }),
  );
  const own = garments[chosen];
  byId("category").disabled = !own;
  byId("category").value = own ? own.category : "";
  const button = byId("garments").children[chosen];
  if (button) button.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function choose(i) {
  chosen = i;
  describe();
  draw();
}

/** Takes over what the server says of a photo, and of how far the review is. */
function take(answer) {
  if (answer.num_decisions !== undefined) progress = answer;
  const listed = photos.find((one) => one.name === answer.name);
  if (!listed) return;
  listed.review = answer.review;
  listed.categories = [...new Set(answer.garments.map((one) => names.indexOf(one.category)))];
  if (!shown[index] || shown[index].name !== answer.name) return;
  const isSameSize = photo && photo.width === answer.width && photo.height === answer.height;
  photo = answer;
  paths = photo.garments.map((garment) => pathOf(garment.contours));
  if (chosen >= paths.length) chosen = paths.length - 1;
  if (!isSameSize) fit(photo.width, photo.height);
  describe();
  draw();
  document.body.dataset.ready = image ? `${photo.name}@${photo.revision}` : "";
}

async function show() {
  const listed = shown[index];
  const mine = ++loading;
  photo = image = null;
  paths = [];
  dropMarks();
  chosen = -1;
  failed = false;
  document.body.dataset.ready = "";
  context.clearRect(0, 0, 1e5, 1e5);
  describe();
  if (!listed) return;
  try {
    const query = `garments?name=${encodeURIComponent(listed.name)}`;
    const [loaded, answer] = await Promise.all([loadImage(listed.name), ask(query)]);
    if (mine !== loading) return; // the reviewer went on
    image = loaded;
    take(answer);
  } catch (error) {
    if (mine !== loading) return;
    failed = true;
    tell(error.message, true);
  }
}

function applyFilter() {
  const filter = byId("filter").value;
  const category = filter.startsWith("category ") ? Number(filter.slice(9)) : null;
  shown = photos.filter((one) => {
    if (category !== null) return one.categories.includes(category);
    return filter === "all" || one.review === filter;
  });
  index = 0;
  return show();
}

function move(step) {
  const next = index + step;
  if (next < 0 || next >= shown.length) {
    tell(next < 0 ? "this is the first photo" : "this is the last photo");
    return Promise.resolve();
  }
  index = next;
  tell("");
  return show();
}

/** Has the server do something to the shown photo; gives whether it is done and still shown. */
async function change(action, body = {}) {
  if (!photo) {
    tell(failed ? "this photo cannot be shown" : "this photo is not shown yet");
    return false;
  }
  const { name, revision } = photo;
  if (underway.has(name)) {
    tell("still at work on this photo");
    return false;
  }
  underway.add(name);
  const asked = loading;
  try {
    const answer = await ask("decide", { name, revision, action, ...body });
    take(answer);
    if (asked === loading) tell("");
    return asked === loading;
  } catch (error) {
    if (error.isStale) await reload(name, error);
    else tell(`${name}, not saved: ${error.message}`, true);
    return false;
  } finally {
    underway.delete(name);
  }
}

/** Another window has changed what is shown: shows it as it is now. */
async function reload(name, error) {
  progress = error.answer;
  if (shown[index] && shown[index].name === name) await show();
  tell(error.message, true);
}

async function decide(action) {
  if (await change(action)) await move(1);
}

async function undo() {
  try {
    const answer = await ask("undo", { num_decisions: progress.num_decisions });
    let at = shown.findIndex((one) => one.name === answer.name);
    if (at < 0) {
      byId("filter").value = "all";
      shown = photos;
      at = shown.findIndex((one) => one.name === answer.name);
    }
    const isShown = at === index;
    index = at;
    take(answer);
    if (!isShown || !image) await show();
    tell(`undone: ${answer.name} is as it was (${answer.review})`);
  } catch (error) {
    if (error.isStale) progress = error.answer;
    tell(error.message, true);
  }
}

/** Changes the chosen garment, or adds one where none is chosen. */
async function cut(isExact) {
  if (!photo) return;
  if (!marks.length) {
    tell("mark first: B box, P garment, X background");
    return;
  }
  const body = { marks, is_exact: isExact };
  const isNew = chosen < 0;
  if (isNew) {
    const category = await chooseCategory();
    if (!category) return;
    body.category = category;
  } else {
    body.index = chosen;
  }
  tell("cutting ...");
  if (!(await change(isNew ? "add" : "redraw", body))) return;
  dropMarks();
  choose(isNew ? photo.garments.length - 1 : chosen);
}

async function edit(action) {
  if (chosen < 0) {
    tell("choose a garment first: Tab, its number, or a click");
    return;
  }
  await change(action, { index: chosen });
}

async function setCategory(category) {
  if (category && chosen >= 0) await change("category", { index: chosen, category });
}

/** Asks for a category by a few letters; null where it was left. */
function chooseCategory() {
  const dialog = byId("chooser");
  let at = 0;
  let matching = [];
  return new Promise((resolve) => {
    const done = (category) => {
      byId("typed").oninput = byId("typed").onkeydown = dialog.onclose = null;
      dialog.close();
      canvas.focus();
      resolve(category);
    };
    const list = () => {
      const typed = byId("typed").value.trim().toLowerCase();
      matching = names.filter((name) => name.toLowerCase().startsWith(typed));
      matching.push(...names.filter((name) => name.toLowerCase().indexOf(typed) > 0));
      at = Math.max(0, Math.min(at, matching.length - 1));
      byId("names").replaceChildren(
        ...matching.map((name, i) => {
          const button = Object.assign(document.createElement("button"), { textContent: name });
          button.classList.toggle("chosen", i === at);
          button.addEventListener("click", () => done(name));
          return button;
        }),
      );
      if (matching.length) byId("names").children[at].scrollIntoView({ block: "nearest" });
    };
    byId("typed").oninput = () => {
      at = 0;
      list();
    };
    byId("typed").onkeydown = (event) => {
      if (event.key === "Enter" && matching.length) {
        event.preventDefault(); // nor may the page take it for its own Enter
        event.stopPropagation();
        done(matching[at]);
      }
      if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
      event.preventDefault();
      at += event.key === "ArrowDown" ? 1 : -1;
      list();
    };
    dialog.onclose = () => done(null);
    byId("typed").value = "";
    dialog.showModal();
    byId("typed").focus();
    list();
  });
}

function dropMarks() {
  marks = [];
  stroke = cross = tool = null;
}

function pick(key) {
  if (key === "n") chosen = -1;
  tool = key;
  if (!photo) tool = null;
  if (key === "n") tell("draw a box around the missed garment, then Enter");
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

function penDown(point) {
  stroke = { kind: TOOLS[tool], width: strokeWidth(), points: [point] };
  draw();
}

function penMove(point) {
  if (stroke.kind === "box") stroke.points[1] = point;
  else stroke.points.push(point);
  draw();
}

function penUp() {
  const isBox = stroke.kind === "box";
  if (isBox) marks = marks.filter((mark) => mark.kind !== "box");
  // A box comes first: strokes are drawn over it.
  if (!isBox) marks.push(stroke);
  else if (stroke.points.length > 1) marks.unshift(stroke);
  stroke = null;
  draw();
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
  r: () => decide("reject"),
  u: undo,
  j: () => move(1),
  k: () => move(-1),
  ArrowRight: () => move(1),
  ArrowLeft: () => move(-1),
  g: () => byId("go").select(),
  f: () => byId("filter").focus(),
  c: async () => { if (chosen < 0) await edit("category"); else await setCategory(await chooseCategory()); },
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
  if (event.ctrlKey || event.metaKey || event.altKey) return;
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
  let key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
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

document.querySelectorAll("footer button").forEach((button) => {
  button.addEventListener("click", () => {
    button.blur();
    KEYS[button.dataset.key]();
  });
});
byId("go").addEventListener("change", () => { if (document.activeElement !== byId("go")) go(); });
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
