"use strict";

/*
 * What both review pages do alike: ask the server, go through the photos, draw with the pen.
 * A page has show(), which shows photos' `shown[index]`, draw(), strokeWidth() and KEYS, by key.
 */

const byId = (id) => document.getElementById(id);
const canvas = byId("canvas");
const context = canvas.getContext("2d");
const MARK_COLORS = { box: "#2f6fdb", product: "#12b312", background: "#e0218a" };
const TOOLS = { b: "box", n: "box", p: "product", x: "background" };

let photos = []; // as the server lists them
let shown = []; // those that the filter lets through
let index = 0;
let loading = 0; // grows with each photo shown: what was asked for an earlier one is dropped
let failed = false;
let tool = null; // a key of TOOLS
let marks = [];
let stroke = null; // the mark that is being drawn

/** An answer that is no success; isStale where the page shows what is so no more. */
class Refused extends Error {
  constructor(status, answer) {
    super(answer.error);
    this.isStale = status === 409;
    this.answer = answer;
  }
}

/** GETs json, or POSTs a body where there is one. */
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

function tell(text, isError = false) {
  byId("message").textContent = text;
  byId("message").className = isError ? "error" : "";
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

/** Why a photo cannot be decided on: it has not been seen. */
function tellUnseen() {
  tell(failed ? "this photo cannot be shown" : "this photo is not shown yet");
}

function describeTools() {
  document.querySelectorAll("footer button.tool").forEach((button) => {
    button.classList.toggle("chosen", button.dataset.key === tool);
  });
}

/** Where an event is, in photo pixels. */
function photoPoint(event) {
  const box = canvas.getBoundingClientRect();
  const { a, d } = context.getTransform();
  return [
    ((event.clientX - box.left) * canvas.width) / box.width / a,
    ((event.clientY - box.top) * canvas.height) / box.height / d,
  ];
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

/** Adds a mark's outline to the canvas' path and strokes it. */
function traceMark(mark) {
  const [first, last] = [mark.points[0], mark.points[mark.points.length - 1]];
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  if (mark.kind === "box") {
    context.rect(first[0], first[1], last[0] - first[0], last[1] - first[1]);
  } else {
    context.moveTo(...first);
    mark.points.forEach((point) => context.lineTo(...point));
    context.lineTo(last[0] + 0.01, last[1]);
  }
  context.stroke();
}

/** The key of an event as KEYS names it; null where the browser's own shortcut is meant. */
function keyOf(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  return event.key.length === 1 ? event.key.toLowerCase() : event.key;
}

document.querySelectorAll("footer button").forEach((button) => {
  button.addEventListener("click", () => {
    button.blur();
    KEYS[button.dataset.key]();
  });
});
