"use strict";

const COLORS = [[255, 60, 60], [60, 190, 60], [40, 120, 255], [255, 190, 30]];
const MARK_COLORS = { box: "#2f6fdb", product: "#12b312", background: "#e0218a" };
const byId = (id) => document.getElementById(id);
const canvas = byId("canvas");
const context = canvas.getContext("2d");

let photos = [];
let shown = [];
let index = 0;
let photoImage = null;
let maskImage = null;
let showsMask = true;
let tool = null;
let marks = [];
let stroke = null;
let loading = 0;
let failed = false;
const decisions = []; // of this tab, the last one last
const underway = new Set(); // photos that the server is changing

async function ask(path, body) {
  const options = body && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  const response = await fetch(path, options);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

function loadImage(path, name) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error(`${name} cannot be shown`));
    image.src = `${path}?name=${encodeURIComponent(name)}&at=${Date.now()}`;
  });
}

/** Turns the grey levels 1, 2, ... into one color a product. */
function tint(image) {
  const layer = document.createElement("canvas");
  layer.width = image.width;
  layer.height = image.height;
  const pixels = layer.getContext("2d");
  pixels.drawImage(image, 0, 0);
  const frame = pixels.getImageData(0, 0, layer.width, layer.height);
  for (let i = 0; i < frame.data.length; i += 4) {
    const label = frame.data[i];
    const color = COLORS[(label - 1) % COLORS.length] || [0, 0, 0];
    frame.data.set([...color, label ? 120 : 0], i);
  }
  pixels.putImageData(frame, 0, 0);
  return layer;
}

function draw() {
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (!photoImage) return;
  context.drawImage(photoImage, 0, 0);
  if (showsMask && maskImage) context.drawImage(maskImage, 0, 0);
  for (const mark of stroke ? [...marks, stroke] : marks) drawMark(mark);
}

function drawMark(mark) {
  context.strokeStyle = MARK_COLORS[mark.kind];
  context.lineCap = context.lineJoin = "round";
  const [first, last] = [mark.points[0], mark.points[mark.points.length - 1]];
  if (mark.kind === "box") {
    context.lineWidth = Math.max(2, canvas.width / 300);
    context.strokeRect(first[0], first[1], last[0] - first[0], last[1] - first[1]);
    return;
  }
  context.lineWidth = mark.width;
  context.beginPath();
  context.moveTo(...first);
  mark.points.forEach((point) => context.lineTo(...point));
  context.lineTo(last[0] + 0.01, last[1]);
  context.stroke();
}

function tell(text) {
  byId("message").textContent = text;
}

function describe() {
  const photo = shown[index];
  const decided = photos.filter((one) => one.review !== "pending").length;
  byId("place").textContent = photo
    ? `${index + 1} / ${shown.length} (${decided} of ${photos.length} decided)`
    : "no photos here";
  byId("name").textContent = photo ? photo.name : "";
  byId("confidence").textContent = photo
    ? `confidence ${photo.confidence.toFixed(2)}, ${photo.num_products} product${photo.num_products === 1 ? "" : "s"}`
    : "";
  byId("reasons").textContent = photo ? photo.reasons.join(", ") : "";
  byId("state").textContent = photo ? photo.review : "";
  byId("state").className = photo ? photo.review : "";
  if (document.activeElement !== byId("category")) byId("category").value = photo ? photo.category : "";
  document.querySelectorAll("button.tool").forEach((button) => {
    button.classList.toggle("chosen", button.dataset.key === tool);
  });
}

async function show() {
  const photo = shown[index];
  const mine = ++loading;
  photoImage = maskImage = null;
  failed = false;
  marks = [];
  stroke = null;
  document.body.dataset.ready = "";
  describe();
  draw();
  if (!photo) return;
  try {
    const [image, mask] = await Promise.all([
      loadImage("photo", photo.name),
      loadImage("mask", photo.name),
    ]);
    if (mine !== loading) return; // the reviewer went on
    photoImage = image;
    maskImage = tint(mask);
    canvas.width = photo.width;
    canvas.height = photo.height;
    draw();
    document.body.dataset.ready = photo.name;
  } catch (error) {
    if (mine !== loading) return;
    failed = true;
    tell(error.message);
  }
}

function choose() {
  const filter = byId("filter").value;
  shown = photos.filter((photo) => filter === "all" || photo.review === filter);
  index = Math.min(index, Math.max(0, shown.length - 1));
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

/**
 * Has the server change the photo; `after` is left out if the reviewer has gone on by then.
 * Gives whether it was changed.
 */
async function change(path, body, after, photo = shown[index]) {
  if (!photo) return false;
  if (underway.has(photo)) {
    tell("still at work on this photo");
    return false;
  }
  underway.add(photo);
  try {
    Object.assign(photo, await ask(path, { name: photo.name, ...body }));
    tell("");
    describe();
  } catch (error) {
    tell(`${photo.name} not saved: ${error.message}`);
    return false;
  } finally {
    underway.delete(photo);
  }
  if (after && shown[index] === photo) after(photo);
  return true;
}

/** A photo that has not been seen cannot be decided; one that cannot be shown can be rejected. */
async function decide(review) {
  if (!photoImage && !(failed && review !== "accepted")) {
    tell(failed ? "this photo cannot be shown" : "this photo is not shown yet");
    return;
  }
  const photo = shown[index];
  const before = photo.review;
  if (await change("decide", { review }, () => move(1))) decisions.push({ photo, before });
}

/** Takes the last decision back, whatever is shown by now, and shows its photo. */
async function undo() {
  const last = decisions[decisions.length - 1] || { photo: shown[index], before: "pending" };
  if (!last.photo || last.photo.review === last.before) {
    tell("no decision to undo");
    return;
  }
  if (!(await change("decide", { review: last.before }, null, last.photo))) return;
  decisions.pop();
  if (!shown.includes(last.photo)) byId("filter").value = "all";
  if (shown[index] === last.photo) return;
  shown = byId("filter").value === "all" ? photos : shown;
  index = shown.indexOf(last.photo);
  await show();
  tell(`${last.photo.name} is ${last.before} again`);
}

async function cutAnew() {
  if (!marks.length) {
    tell("mark first: B box, P product, X background");
    return;
  }
  tell("cutting ...");
  const asked = loading;
  await change("touch_up", { marks }, async (photo) => {
    if (asked !== loading) return show(); // went on and came back, perhaps to the old mask
    try {
      const mask = await loadImage("mask", photo.name);
      if (asked !== loading) return; // the reviewer went on
      maskImage = tint(mask);
      draw();
    } catch (error) {
      if (asked === loading) tell(error.message);
    }
  });
}

const KEYS = {
  a: () => decide("accepted"),
  r: () => decide("rejected"),
  u: undo,
  ArrowLeft: () => move(-1),
  ArrowRight: () => move(1),
  k: () => move(-1),
  j: () => move(1),
  c: () => byId("category").select(),
  b: () => pick("b"),
  p: () => pick("p"),
  x: () => pick("x"),
  m: () => { showsMask = !showsMask; draw(); },
  Enter: cutAnew,
  Escape: () => { marks = []; stroke = null; pick(null); draw(); },
};

function pick(key) {
  tool = key;
  describe();
}

function photoPoint(event) {
  const box = canvas.getBoundingClientRect();
  return [
    ((event.clientX - box.left) * canvas.width) / box.width,
    ((event.clientY - box.top) * canvas.height) / box.height,
  ];
}

canvas.addEventListener("pointerdown", (event) => {
  if (!photoImage) return;
  if (!tool) {
    tell("choose B box, P product or X background first");
    return;
  }
  canvas.setPointerCapture(event.pointerId);
  const kind = { b: "box", p: "product", x: "background" }[tool];
  const width = Math.max(3, Math.round(Math.max(canvas.width, canvas.height) / 90));
  stroke = { kind, width, points: [photoPoint(event)] };
});

canvas.addEventListener("pointermove", (event) => {
  if (!stroke) return;
  const point = photoPoint(event);
  if (stroke.kind === "box") stroke.points[1] = point;
  else stroke.points.push(point);
  draw();
});

canvas.addEventListener("pointerup", () => {
  if (!stroke) return;
  const isBox = stroke.kind === "box";
  if (isBox) marks = marks.filter((mark) => mark.kind !== "box");
  // A box comes first: strokes are drawn over it.
  if (!isBox) marks.push(stroke);
  else if (stroke.points.length > 1) marks.unshift(stroke);
  stroke = null;
  draw();
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.target === byId("category")) {
    if (key === "Enter") change("category", { category: event.target.value });
    if (key === "Enter" || key === "Escape") event.target.blur();
    return;
  }
  if (event.target.tagName === "SELECT" || !(key in KEYS)) return;
  event.preventDefault();
  KEYS[key]();
});

document.querySelectorAll("button").forEach((button) => {
  button.addEventListener("click", () => {
    button.blur();
    KEYS[button.dataset.key]();
  });
});

byId("category").addEventListener("blur", describe);
byId("filter").addEventListener("change", () => {
  index = 0;
  byId("filter").blur();
  choose();
});

ask("photos").then((listed) => {
  photos = listed.photos;
  for (const name of listed.categories) byId("categories").append(new Option(name));
  return choose();
}).catch((error) => tell(error.message));
