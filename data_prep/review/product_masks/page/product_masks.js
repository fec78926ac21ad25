"use strict";

/* The photo shown with its mask, and what the server is asked to do with it. */

const COLORS = [[255, 60, 60], [60, 190, 60], [40, 120, 255], [255, 190, 30]];
let photoImage = null;
let maskImage = null;
let showsMask = true;
const decisions = []; // of this tab, the last one last
const underway = new Set(); // photos that the server is changing

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
  context.lineWidth = mark.kind === "box" ? Math.max(2, canvas.width / 300) : mark.width;
  traceMark(mark);
}

function strokeWidth() {
  return Math.max(3, Math.round(Math.max(canvas.width, canvas.height) / 90));
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
  describeTools();
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
    tellUnseen();
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

canvas.addEventListener("pointerdown", (event) => {
  if (!photoImage) return;
  if (!tool) {
    tell("choose B box, P product or X background first");
    return;
  }
  canvas.setPointerCapture(event.pointerId);
  penDown(photoPoint(event));
});

canvas.addEventListener("pointermove", (event) => {
  if (stroke) penMove(photoPoint(event));
});

canvas.addEventListener("pointerup", () => {
  if (stroke) penUp();
});

document.addEventListener("keydown", (event) => {
  const key = keyOf(event);
  if (event.target === byId("category")) {
    if (key === "Enter") change("category", { category: event.target.value });
    if (key === "Enter" || key === "Escape") event.target.blur();
    return;
  }
  if (event.target.tagName === "SELECT" || !(key in KEYS)) return;
  event.preventDefault();
  KEYS[key]();
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
