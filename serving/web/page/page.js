import { covers, cutout, decodeMask, maskCanvas } from '/masks.js';
import { zip } from '/zip.js';

// The colours of tfseg.structures.visualize: category id 1 is the first.
const PALETTE = [[255, 159, 28], [150, 85, 45], [160, 215, 40], [20, 184, 166], [64, 120, 255], [255, 105, 180], [60, 220, 255],
  [145, 85, 240], [240, 60, 60], [30, 145, 60], [190, 30, 130], [255, 225, 70], [180, 190, 255]];
const GRID_SIDE = 1400; // masks are drawn on at most so many pixels a side
const NUM_PARALLEL = 2;

const element = (id) => document.getElementById(id);
const cards = new Set();
const waiting = [];
let numRunning = 0;

const colourOf = (garment) => PALETTE[garment.category_id - 1]
  ?? [0, 1, 2].map((i) => Math.round(127 + 110 * Math.sin(garment.category_id * 2.4 + 2.1 * i)));
const threshold = () => Number(element('threshold').value);

class Card {
  constructor(file) {
    this.file = file;
    this.garments = [];
    this.pinned = null;
    this.root = element('card').content.firstElementChild.cloneNode(true);
    this.find = (selector) => this.root.querySelector(selector);
    this.find('h2').textContent = file.name;
    this.find('.close').addEventListener('click', () => this.remove());
    this.find('.actions').addEventListener('click', (event) => this.save(event.target.dataset.save));
    const masks = this.find('.masks');
    masks.addEventListener('pointermove', (event) => this.light(this.at(event), event));
    masks.addEventListener('pointerleave', () => this.light(this.pinned));
    masks.addEventListener('click', (event) => this.pin(this.at(event), event));
    cards.add(this);
  }

  remove() {
    cards.delete(this);
    this.root.remove();
    document.body.classList.toggle('has-photos', cards.size > 0);
    tellStatus();
  }

  async detect() {
    this.root.classList.add('waiting');
    this.find('.error').hidden = true;
    try {
      if (!this.bitmap) await this.show();
      const version = element('version').value;
      const answer = await fetch(`/api/detect${version && `?version=${version}`}`, { method: 'POST', body: this.file });
      const found = await answer.json();
      if (!answer.ok) throw new Error(found.error);
      if (found.width !== this.bitmap.width || found.height !== this.bitmap.height) {
        throw new Error('the browser shows this photo in another size than the server sees it');
      }
      this.take(found.garments);
    } catch (error) {
      this.take([]);
      this.find('.error').hidden = false;
      this.find('.error').textContent = error.message;
    }
    this.root.classList.remove('waiting');
  }

  async show() {
    this.bitmap = await createImageBitmap(this.file).catch(() => {
      throw new Error('not a photo that can be shown: send a JPEG, PNG, WebP, GIF or BMP');
    });
    this.step = Math.ceil(Math.max(this.bitmap.width, this.bitmap.height) / GRID_SIDE);
    for (const canvas of this.root.querySelectorAll('canvas')) {
      canvas.width = Math.ceil(this.bitmap.width / this.step);
      canvas.height = Math.ceil(this.bitmap.height / this.step);
    }
    const photo = this.find('.photo');
    photo.getContext('2d').drawImage(this.bitmap, 0, 0, this.bitmap.width / this.step, this.bitmap.height / this.step);
  }

  take(garments) {
    this.pinned = null;
    this.garments = garments.map((garment) => {
      const mask = decodeMask(garment.segmentation, garment.bbox, this.step);
      const colour = colourOf(garment);
      return { ...garment, mask, colour, soft: maskCanvas(mask, colour, 95), strong: maskCanvas(mask, colour, 185) };
    });
    this.refresh();
  }

  shown() {
    return this.garments.filter((garment) => garment.score >= threshold());
  }

  refresh() {
    const list = this.find('.garments');
    list.replaceChildren(...this.shown().map((garment) => {
      const item = document.createElement('li');
      const button = document.createElement('button');
      button.style.setProperty('--colour', `rgb(${garment.colour})`);
      const score = document.createElement('span');
      score.textContent = garment.score.toFixed(2);
      button.append(document.createElement('i'), garment.category_name, score);
      for (const attribute of garment.attributes || []) {
        const chip = document.createElement('small');
        chip.textContent = attribute.name;
        chip.title = attribute.score.toFixed(2);
        button.append(chip);
      }
      button.addEventListener('pointerenter', () => this.light(garment));
      button.addEventListener('pointerleave', () => this.light(this.pinned));
      button.addEventListener('focus', () => this.light(garment));
      button.addEventListener('blur', () => this.light(this.pinned));
      button.addEventListener('click', () => this.pin(garment));
      garment.button = button;
      item.append(button);
      return item;
    }));
    const failed = !this.find('.error').hidden;
    if (!list.children.length && !failed) {
      const none = document.createElement('li');
      none.className = 'none';
      none.textContent = 'No garment reaches this score.';
      list.append(none);
    }
    this.find('.actions').hidden = failed || !this.shown().length;
    if (this.pinned && !this.shown().includes(this.pinned)) this.pinned = null;
    this.light(this.pinned);
  }

  at(event) {
    const canvas = this.find('.masks');
    const x = Math.floor((event.offsetX / canvas.clientWidth) * canvas.width);
    const y = Math.floor((event.offsetY / canvas.clientHeight) * canvas.height);
    return this.shown().filter((g) => covers(g.mask, x, y)).sort((a, b) => a.mask.area - b.mask.area)[0] ?? null;
  }

  pin(garment, event) {
    this.pinned = this.pinned === garment ? null : garment;
    this.light(garment && this.pinned, event);
  }

  light(lit, event) {
    const canvas = this.find('.masks');
    this.draw(canvas.getContext('2d'), lit);
    for (const garment of this.shown()) {
      garment.button?.classList.toggle('lit', garment === lit);
      garment.button?.setAttribute('aria-pressed', garment === this.pinned);
    }
    const tip = this.find('.tip');
    tip.hidden = !lit;
    if (!lit) return;
    tip.textContent = `${lit.category_name} ${lit.score.toFixed(2)}`;
    const scale = canvas.clientWidth / canvas.width;
    const x = event ? event.offsetX : (lit.mask.left + lit.mask.width / 2) * scale;
    const y = event ? event.offsetY : lit.mask.top * scale;
    tip.style.left = `${Math.min(Math.max(x, 55), canvas.clientWidth - 55)}px`;
    tip.style.top = `${Math.max(y, 34)}px`;
  }

  draw(context, lit) {
    context.clearRect(0, 0, context.canvas.width, context.canvas.height);
    // Large ones first, so that a belt stays visible on its dress.
    for (const garment of this.shown().sort((a, b) => b.mask.area - a.mask.area)) {
      context.globalAlpha = lit && lit !== garment ? 0.35 : 1;
      context.drawImage(garment === lit ? garment.strong : garment.soft, garment.mask.left, garment.mask.top);
    }
    context.globalAlpha = 1;
  }

  async save(kind) {
    const stem = this.file.name.replace(/\.[^.]*$/, '') || 'photo';
    if (kind === 'json') {
      const results = this.shown().map(({ category_id, category_name, bbox, score, segmentation, attributes }) => (
        { image_id: 0, file_name: this.file.name, category_id, category_name, bbox, score, segmentation, attributes }));
      download(new Blob([JSON.stringify(results, null, 1)], { type: 'application/json' }), `${stem}.json`);
    } else if (kind === 'overlay') {
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [this.bitmap.width, this.bitmap.height];
      const context = canvas.getContext('2d');
      context.drawImage(this.bitmap, 0, 0);
      const masks = this.find('.masks');
      this.draw(masks.getContext('2d'), null);
      context.drawImage(masks, 0, 0, masks.width * this.step, masks.height * this.step);
      download(await blobOf(canvas), `${stem}-overlay.png`);
      this.light(this.pinned);
    } else if (kind === 'cutouts') {
      const files = await Promise.all(this.shown().map(async (garment, index) => {
        const bytes = new Uint8Array(await (await blobOf(cutout(this.bitmap, garment))).arrayBuffer());
        return { name: `${stem}_${index + 1}_${cutoutName(garment)}.png`, bytes };
      }));
      download(zip(files), `${stem}-cutouts.zip`);
    }
  }
}

// As tfseg.structures.cutouts names files: "top_short-sleeve_striped", attributes in 60 bytes.
function cutoutName({ category_name, attributes }) {
  let part = '';
  for (const { name } of attributes || []) {
    const word = name.replace(/[^\p{L}\p{N}]+/gu, '-').replace(/^-|-$/g, '');
    if (word && new TextEncoder().encode(`${part}_${word}`).length <= 60) part += `_${word}`;
  }
  return category_name.replace(/[\\/]/g, '-') + part;
}

const blobOf = (canvas) => new Promise((resolve) => { canvas.toBlob(resolve, 'image/png'); });

function download(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function tellStatus() {
  const left = waiting.length + numRunning;
  const done = cards.size - left;
  element('status').textContent = left ? `${done} of ${cards.size} photos done` : '';
}

async function work() {
  tellStatus();
  while (waiting.length && numRunning < NUM_PARALLEL) {
    const card = waiting.shift();
    if (!cards.has(card)) continue;
    numRunning += 1;
    card.detect().finally(() => {
      numRunning -= 1;
      work();
    });
  }
}

function add(files) {
  const added = [...files].map((file) => new Card(file));
  added.forEach((card) => card.root.classList.add('waiting'));
  element('photos').prepend(...added.map((card) => card.root));
  waiting.push(...added);
  document.body.classList.toggle('has-photos', cards.size > 0);
  work();
}

async function loadVersions() {
  const select = element('version');
  try {
    const answer = await fetch('/api/versions');
    const { versions, error } = await answer.json();
    if (!answer.ok) throw new Error(error);
    const chosen = select.value;
    const options = [new Option(`newest (${versions.at(-1) ?? 'none'})`, ''), ...versions.map((v) => new Option(v, v))];
    select.replaceChildren(...options);
    if (versions.map(String).includes(chosen)) select.value = chosen;
    select.disabled = false;
  } catch (error) {
    element('status').textContent = error.message;
  }
}

element('files').addEventListener('change', (event) => {
  add(event.target.files);
  event.target.value = '';
});
element('threshold').addEventListener('input', () => {
  element('threshold-value').value = threshold().toFixed(2);
  cards.forEach((card) => card.refresh());
});
element('version').addEventListener('pointerdown', loadVersions);
element('version').addEventListener('change', () => {
  waiting.push(...[...cards].filter((card) => !waiting.includes(card)));
  work();
});
for (const kind of ['dragover', 'dragleave', 'drop']) {
  window.addEventListener(kind, (event) => {
    event.preventDefault();
    element('drop').classList.toggle('over', kind === 'dragover');
  });
}
window.addEventListener('drop', (event) => add([...event.dataTransfer.files].filter((f) => f.type.startsWith('image/'))));
window.addEventListener('paste', (event) => add([...event.clipboardData.files]));
loadVersions();
