// COCO's compressed run-length masks in the browser.

/** Reads the run lengths of a compressed RLE (cocoapi, common/maskApi.c, rleFrString). */
export function runLengths(counts) {
  const runs = [];
  let number = 0;
  let shift = 0;
  for (let i = 0; i < counts.length; i += 1) {
    const code = counts.charCodeAt(i) - 48;
    number += (code & 31) * 2 ** shift; // not |: runs of a large photo pass 31 bits
    shift += 5;
    if (code & 32) continue;
    if (code & 16) number -= 2 ** shift;
    runs.push(runs.length > 2 ? number + runs[runs.length - 2] : number);
    number = 0;
    shift = 0;
  }
  return runs;
}

/**
 * Decodes a mask inside its box, every `step`-th pixel.
 * Returns {left, top, width, height, inside: Uint8Array, area}, in pixels of the reduced grid.
 */
export function decodeMask({ size: [height], counts }, [x, y, boxWidth, boxHeight], step) {
  const left = Math.max(0, Math.floor(x / step) - 1);
  const top = Math.max(0, Math.floor(y / step) - 1);
  const width = Math.ceil((x + boxWidth) / step) + 1 - left;
  const rows = Math.ceil((y + boxHeight) / step) + 1 - top;
  const inside = new Uint8Array(width * rows);
  let area = 0;
  let position = 0;
  runLengths(counts).forEach((run, index) => {
    if (index % 2) {
      // A run goes down columns; only those of the reduced grid count.
      for (let at = position; at < position + run;) {
        const column = Math.floor(at / height);
        const end = Math.min(position + run, (column + 1) * height);
        if (column % step === 0) {
          const gridColumn = column / step - left;
          const firstRow = Math.ceil((at - column * height) / step);
          const lastRow = Math.ceil((end - column * height) / step);
          for (let row = firstRow; row < lastRow; row += 1) {
            const gridRow = row - top;
            if (gridColumn >= 0 && gridColumn < width && gridRow >= 0 && gridRow < rows) {
              inside[gridRow * width + gridColumn] = 1;
              area += 1;
            }
          }
        }
        at = end;
      }
    }
    position += run;
  });
  return { left, top, width, height: rows, inside, area };
}

/** A canvas of the mask's box: `colour` [r, g, b] with `alpha` 0..255 where the mask is. */
export function maskCanvas(mask, [red, green, blue], alpha) {
  const canvas = document.createElement('canvas');
  canvas.width = mask.width;
  canvas.height = mask.height;
  const image = new ImageData(mask.width, mask.height);
  const { width, height, inside } = mask;
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const i = row * width + column;
      if (!inside[i]) continue;
      const edge = !column || !row || column === width - 1 || row === height - 1
        || !inside[i - 1] || !inside[i + 1] || !inside[i - width] || !inside[i + width];
      image.data.set([red, green, blue, edge ? 255 : alpha], 4 * i);
    }
  }
  canvas.getContext('2d').putImageData(image, 0, 0);
  return canvas;
}

/** Cuts a garment out of a photo: a canvas of its box, transparent around the mask. */
export function cutout(photo, garment) {
  const mask = decodeMask(garment.segmentation, garment.bbox, 1);
  const canvas = maskCanvas(mask, [0, 0, 0], 255);
  const context = canvas.getContext('2d');
  context.globalCompositeOperation = 'source-in';
  context.drawImage(photo, -mask.left, -mask.top);
  return canvas;
}

/** Whether a point of the reduced grid is inside the mask. */
export function covers(mask, x, y) {
  const column = x - mask.left;
  const row = y - mask.top;
  return column >= 0 && row >= 0 && column < mask.width && row < mask.height && mask.inside[row * mask.width + column] === 1;
}
