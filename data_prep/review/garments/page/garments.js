"use strict";

/* The photo shown, its garments, and what the server is asked to do with them. */

const SHOWN = ["masks", "outlines", "nothing"];

let names = []; // of categories
let photo = null; // the one shown, with its garments, once it is there
let image = null;
let paths = [];
let chosen = -1;
let cross = null; // of drawing by keyboard
let brush = 1;
let shows = 0;
let progress = {};
const underway = new Set(); // names of photos that the server is changing

async function loadImage(name) {
  const response = await fetch(`photo?name=${encodeURIComponent(name)}`);
  if (!response.ok) throw new Refused(response.status, await response.json());
  return createImageBitmap(await response.blob());
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
  const pace = rate && done < all ? `, ${rate} an hour, ${left} left` : "";
  byId("rate").textContent = `${done} of ${all}${pace}`;
}

/** Whether its garments were changed and nothing is decided: nobody trains on it. */
function isBegun(listed) {
  return listed.review === "pending" && listed.is_touched;
}

function describe() {
  const listed = shown[index];
  const state = listed ? listed.review : "";
  if (document.activeElement !== byId("go")) byId("go").value = listed ? index + 1 : "";
  byId("go").max = shown.length;
  byId("num_shown").textContent = listed ? shown.length : "no photos here";
  byId("name").textContent = byId("name").title = listed ? listed.name : "";
  byId("reasons").textContent = byId("reasons").title = listed ? listed.reasons.join("; ") : "";
  byId("state").className = state;
  byId("state").textContent = listed && isBegun(listed) ? "begun, not accepted" : state;
  describeProgress();
  describeGarments();
  describeAccept();
  canvas.classList.toggle("draws", Boolean(tool));
  describeTools();
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

function numDoubtful() {
  return photo ? photo.garments.filter((garment) => garment.is_doubtful).length : 0;
}

/** Says before it is pressed what accepting takes with it. */
function describeAccept() {
  const doubtful = numDoubtful();
  const all = photo ? photo.garments.length : 0;
  byId("accept").textContent = doubtful ? `accept all ${all}, ${doubtful} doubtful` : "accept all";
  byId("accept_sure").textContent = doubtful ? `accept the other ${all - doubtful}` : "accept the others";
  byId("accept_sure").parentElement.disabled = !doubtful;
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
  listed.is_touched = answer.is_touched;
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
    let problem = null;
    const pixels = loadImage(listed.name).catch((error) => { problem = error; });
    const [answer, loaded] = await Promise.all([ask(query), pixels]);
    if (mine !== loading) return; // the reviewer went on
    image = loaded || null;
    failed = !image;
    take(answer);
    if (problem) tell(`cannot be shown: ${problem.message}`, true);
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
    return filter === "all" || (filter === "begun" ? isBegun(one) : one.review === filter);
  });
  index = 0;
  return show();
}

/** Has the server do something to the shown photo; gives whether it is done and still shown. */
async function change(action, body = {}) {
  // One that cannot be shown can be rejected.
  if (!photo || (!image && action !== "reject")) {
    tellUnseen();
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

/** Accepts what the model by itself would show, and what a person has drawn or changed. */
async function acceptSure() {
  if (!numDoubtful() || (await change("trim"))) await decide("accept");
}

async function decide(action) {
  if (!(await change(action))) return;
  await move(1);
  const { num_decided: done, num_photos: all } = progress;
  if (done === all) tell("all photos are decided; build_tfrecords --dataset=reviewed makes a data set of them");
  else if (index === shown.length - 1 && shown[index].review !== "pending") {
    tell(`this is the last photo shown; pending: ${all - done}`);
  }
}

async function undo() {
  if (underway.size) {
    tell("still at work on the decision before");
    return;
  }
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
  if (!category || chosen < 0 || category === photo.garments[chosen].category) return;
  await change("category", { index: chosen, category });
}

/** Asks for a category by a few letters; null where it was left. Enter alone takes `current`. */
function chooseCategory(current = null) {
  const dialog = byId("chooser");
  let at = Math.max(0, names.indexOf(current));
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
    byId("leave").onclick = () => dialog.close();
    byId("typed").value = "";
    dialog.showModal();
    byId("typed").focus();
    list();
  });
}
