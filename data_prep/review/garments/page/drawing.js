"use strict";

/* What is drawn on the canvas: everything here is in the photo's own pixels. */

// Light ones: with a dark line on both sides they show on any color.
const COLORS = ["#ff9d9d", "#8fe38f", "#9cc4ff", "#ffd27a", "#e3a8ff", "#7fe9e0", "#ffb3df", "#d6e86a"];
const CHOSEN_COLOR = "#fff200";

function colorOf(index) {
  return COLORS[index % COLORS.length];
}

/** One path of a garment's outlines; the middle of a pixel is half a pixel on. */
function pathOf(contours) {
  const path = new Path2D();
  for (const points of contours) {
    path.moveTo(points[0] + 0.5, points[1] + 0.5);
    for (let i = 2; i < points.length; i += 2) path.lineTo(points[i] + 0.5, points[i + 1] + 0.5);
    path.closePath();
  }
  return path;
}

/** The topmost point of a garment, where its label goes. */
function labelPlace(contours) {
  let best = [0, Infinity];
  for (const points of contours) {
    for (let i = 0; i < points.length; i += 2) {
      if (points[i + 1] < best[1]) best = [points[i], points[i + 1]];
    }
  }
  return best;
}

/** Makes the canvas as large as its place allows; one canvas pixel is one of the screen. */
function fit(width, height) {
  const stage = canvas.parentElement;
  const scale = Math.min((stage.clientWidth - 12) / width, (stage.clientHeight - 12) / height);
  const ratio = window.devicePixelRatio || 1;
  canvas.style.width = `${Math.max(1, Math.round(width * scale))}px`;
  canvas.style.height = `${Math.max(1, Math.round(height * scale))}px`;
  canvas.width = Math.max(1, Math.round(width * scale * ratio));
  canvas.height = Math.max(1, Math.round(height * scale * ratio));
  context.setTransform(canvas.width / width, 0, 0, canvas.height / height, 0, 0);
}

/** Photo pixels of one pixel as the eye sees it. */
function unit() {
  return (window.devicePixelRatio || 1) / context.getTransform().a;
}

function drawPhoto(image, width, height) {
  context.clearRect(0, 0, width, height);
  if (image) context.drawImage(image, 0, 0, width, height);
}

/** Fills lightly and draws dark, light: the pair shows on any color. */
function drawGarment(path, index, isChosen, look) {
  if (look.isFilled) {
    context.globalAlpha = isChosen ? 0.22 : 0.32;
    context.fillStyle = isChosen ? CHOSEN_COLOR : colorOf(index);
    context.fill(path, "evenodd");
    context.globalAlpha = 1;
  }
  context.lineJoin = "round";
  context.strokeStyle = "#000";
  context.lineWidth = (isChosen ? 6 : 4) * unit();
  context.stroke(path);
  context.strokeStyle = isChosen ? CHOSEN_COLOR : colorOf(index);
  context.lineWidth = (isChosen ? 3 : 1.8) * unit();
  if (look.isDashed) context.setLineDash([7 * unit(), 5 * unit()]);
  context.stroke(path);
  context.setLineDash([]);
}

/**
 * Draws a garment's number above its topmost point, where it hides none of a small one, beside those
 * in `taken`, boxes [left, top, right, bottom] it adds to.
 */
function drawLabel(text, place, index, isChosen, taken, width) {
  const size = 12 * unit();
  context.font = `600 ${size}px system-ui, sans-serif`;
  const boxWidth = context.measureText(text).width + 8 * unit();
  const height = size * 1.4;
  const within = (x) => Math.max(0, Math.min(width - boxWidth, x));
  let [left, top] = [within(place[0] - boxWidth / 2), Math.max(0, place[1] - height - 3 * unit())];
  const isFree = (x, y) =>
    !taken.some(([l, t, r, b]) => x < r && x + boxWidth > l && y < b && y + height > t);
  for (let i = 1; i <= 12 && !isFree(left, top); i++) {
    const aside = within(place[0] - boxWidth / 2 + (i % 2 ? 1 : -1) * Math.ceil(i / 2) * boxWidth);
    if (isFree(aside, top)) left = aside;
    else if (i % 4 === 0) top += height;
  }
  taken.push([left, top, left + boxWidth, top + height]);
  context.fillStyle = "#000c";
  context.fillRect(left, top, boxWidth, height);
  context.fillStyle = isChosen ? CHOSEN_COLOR : colorOf(index);
  context.textBaseline = "middle";
  context.fillText(text, left + 4 * unit(), top + size * 0.72);
}

function drawMark(mark) {
  const width = mark.kind === "box" ? 2.5 * unit() : mark.width;
  context.strokeStyle = "#fff";
  context.lineWidth = width + 2.5 * unit();
  traceMark(mark);
  context.strokeStyle = MARK_COLORS[mark.kind];
  context.lineWidth = width;
  traceMark(mark);
}

function drawCross([x, y]) {
  for (const [color, width] of [["#000", 4], ["#fff", 1.5]]) {
    context.strokeStyle = color;
    context.lineWidth = width * unit();
    context.beginPath();
    context.moveTo(x - 12 * unit(), y);
    context.lineTo(x + 12 * unit(), y);
    context.moveTo(x, y - 12 * unit());
    context.lineTo(x, y + 12 * unit());
    context.stroke();
  }
}

/** Whether a point of the photo is in a path. */
function isWithin(path, [x, y]) {
  const { a, d } = context.getTransform();
  return context.isPointInPath(path, x * a, y * d, "evenodd");
}
