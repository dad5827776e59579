"use strict";
// From a photo to what the network takes, as kerastl's decode_image does it.
// Browsers scale pictures with filters of their own, so this is Pillow's
// arithmetic on whole pixels: Image.reduce, then the antialiased bilinear
// Image.resize. Pixels are RGBA, as canvases give them; alpha is not used.

const CHANNELS = 4;
// A strip of so many pixels is read at a time: a canvas of 48 megapixels is
// more than a phone has.
const STRIP = 1 << 20;
// Of a file, where EXIF is.
const HEAD = 1 << 18;
// The bits of Pillow's fixed-point weights.
const BITS = 22;

/** Pixels in memory, readable like a photo. */
function inMemory(width, height, data) {
  const read = (left, top, w, h) => {
    const part = new Uint8ClampedArray(w * h * CHANNELS);
    for (let y = 0; y < h; y++) {
      const start = ((top + y) * width + left) * CHANNELS;
      part.set(
        data.subarray(start, start + w * CHANNELS), y * w * CHANNELS);
    }
    return part;
  };
  return { width, height, data, read };
}

/** A bitmap or video frame, read through a canvas, on white. */
function onCanvas(source, width, height) {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const read = (left, top, w, h) => {
    canvas.width = w;
    canvas.height = h;
    context.fillStyle = "#fff";
    context.fillRect(0, 0, w, h);
    context.drawImage(source, left, top, w, h, 0, 0, w, h);
    return context.getImageData(0, 0, w, h).data;
  };
  return { width, height, read };
}

/** Averages blocks of `factor` x `factor` pixels of a part of a photo. */
function reduce(photo, [left, top, right, bottom], factor) {
  const width = Math.ceil((right - left) / factor);
  const height = Math.ceil((bottom - top) / factor);
  const data = new Uint8ClampedArray(width * height * CHANNELS);
  const lines = Math.max(1, Math.floor(STRIP / (right - left) / factor));
  for (let first = 0; first < height; first += lines) {
    const y0 = top + first * factor;
    const rows = Math.min(lines * factor, bottom - y0);
    const strip = photo.read(left, y0, right - left, rows);
    const reduced = reduceStrip(strip, right - left, rows, factor);
    data.set(reduced, first * width * CHANNELS);
  }
  return inMemory(width, height, data);
}

function reduceStrip(data, width, height, factor) {
  const columns = Math.ceil(width / factor);
  const rows = Math.ceil(height / factor);
  const reduced = new Uint8ClampedArray(columns * rows * CHANNELS);
  for (let row = 0; row < rows; row++) {
    const y1 = Math.min(height, (row + 1) * factor);
    for (let column = 0; column < columns; column++) {
      const x1 = Math.min(width, (column + 1) * factor);
      let red = 0, green = 0, blue = 0;
      for (let y = row * factor; y < y1; y++) {
        const end = (y * width + x1) * CHANNELS;
        let at = (y * width + column * factor) * CHANNELS;
        for (; at < end; at += CHANNELS) {
          red += data[at];
          green += data[at + 1];
          blue += data[at + 2];
        }
      }
      const count = (y1 - row * factor) * (x1 - column * factor);
      const half = count >> 1;
      // Pillow divides by a factor that is cut to an integer.
      const share = Math.trunc(Math.fround(2 ** 24 / count));
      const to = (row * columns + column) * CHANNELS;
      reduced[to] = Math.floor(((red + half) * share) / 2 ** 24);
      reduced[to + 1] = Math.floor(((green + half) * share) / 2 ** 24);
      reduced[to + 2] = Math.floor(((blue + half) * share) / 2 ** 24);
      reduced[to + 3] = 255;
    }
  }
  return reduced;
}

/** Pillow's weights of a triangle filter: a start and integers a pixel. */
function triangle(length, start, end, size) {
  const scale = (end - start) / size;
  const support = Math.max(scale, 1);
  return Array.from({ length: size }, (_, index) => {
    const centre = start + (index + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const last = Math.min(length, Math.trunc(centre + support + 0.5));
    const weights = [];
    for (let at = first; at < last; at++) {
      const distance = Math.abs((at - centre + 0.5) / support);
      weights.push(Math.max(0, 1 - distance));
    }
    const sum = weights.reduce((all, each) => all + each, 0);
    const whole = weights.map(
      (each) => Math.trunc(0.5 + (each / sum) * 2 ** BITS));
    return { first, weights: whole };
  });
}

/** Resizes the rows of `photo` to `size` pixels, and turns it on its side. */
function resizeRows(photo, start, end, size) {
  const { width, height, data } = photo;
  const resized = new Uint8ClampedArray(size * height * CHANNELS);
  triangle(width, start, end, size).forEach(({ first, weights }, index) => {
    for (let y = 0; y < height; y++) {
      let red = 1 << (BITS - 1), green = red, blue = red;
      let at = (y * width + first) * CHANNELS;
      for (const weight of weights) {
        red += data[at] * weight;
        green += data[at + 1] * weight;
        blue += data[at + 2] * weight;
        at += CHANNELS;
      }
      const to = (index * height + y) * CHANNELS;
      resized[to] = red >> BITS;
      resized[to + 1] = green >> BITS;
      resized[to + 2] = blue >> BITS;
      resized[to + 3] = 255;
    }
  });
  return inMemory(height, size, resized);
}

/** Mirrors what is in memory, left to right and top to bottom if asked. */
function mirror({ width, height, data }, flips) {
  const mirrored = new Uint8ClampedArray(data.length);
  for (let y = 0; y < height; y++) {
    const row = (flips.down ? height - 1 - y : y) * width;
    for (let x = 0; x < width; x++) {
      const at = (row + (flips.across ? width - 1 - x : x)) * CHANNELS;
      const to = (y * width + x) * CHANNELS;
      mirrored.set(data.subarray(at, at + CHANNELS), to);
    }
  }
  return inMemory(width, height, mirrored);
}

/** Averages blocks as a decoder of JPEG does, before EXIF turns the photo. */
function draft(photo, block, flips) {
  const box = [0, 0, photo.width, photo.height];
  if (!flips.across && !flips.down) return reduce(photo, box, block);
  // The last blocks are cut where the stored photo ends: on the left and at
  // the top by now.
  const stored = {
    ...photo,
    read: (x, y, w, h) => {
      const x0 = flips.across ? photo.width - x - w : x;
      const y0 = flips.down ? photo.height - y - h : y;
      return mirror(inMemory(w, h, photo.read(x0, y0, w, h)), flips).data;
    },
  };
  return mirror(reduce(stored, box, block), flips);
}

/** Swaps rows and columns: every pixel is resized to itself. */
function turn(photo) {
  return resizeRows(photo, 0, photo.width, photo.width);
}

/**
 * The middle square of a photo, resized to `size` pixels. `flips` tells how a
 * JPEG was mirrored after it was decoded; others have none.
 */
function toSquare(photo, size, flips) {
  if (flips) {
    // Pillow lets the decoder of JPEG average blocks, on whole photos.
    const room = Math.floor(Math.min(photo.width, photo.height) / size);
    const block = [8, 4, 2].find((each) => each <= room);
    if (block) photo = draft(photo, block, flips);
  }
  const side = Math.min(photo.width, photo.height);
  const left = (photo.width - side) / 2;
  const top = (photo.height - side) / 2;
  const factor = Math.max(1, Math.trunc(side / size / 2));
  // What the filter needs around the square; Pillow takes half before it
  // reduces.
  const reach = factor > 1 ? (side / size) * 0.5 : side / size + 1;
  const part = [
    Math.max(0, Math.trunc(left - reach)),
    Math.max(0, Math.trunc(top - reach)),
    Math.min(photo.width, Math.ceil(left + side + reach)),
    Math.min(photo.height, Math.ceil(top + side + reach)),
  ];
  const small = reduce(photo, part, factor);
  const from = (place, start) => Math.fround((place - start) / factor);
  const across = [from(left, part[0]), from(left + side, part[0]), size];
  const down = [from(top, part[1]), from(top + side, part[1]), size];
  // Each pass rounds, so that their order matters; Pillow's is this.
  const whole = factor > 1 ? small : photo;
  const taller = whole.height - size;
  if (taller > 0 && taller > 2 * (whole.width - size)) {
    return turn(resizeRows(resizeRows(turn(small), ...down), ...across));
  }
  return resizeRows(resizeRows(small, ...across), ...down);
}

/** The network's input: the middle of a square of `side` + `margin` pixels. */
function toInput(square, side, margin) {
  const start = margin >> 1;
  const pixels = square.read(start, start, side, side);
  const input = new Float32Array(side * side * 3);
  for (let at = 0, to = 0; at < pixels.length; at += CHANNELS) {
    input[to++] = pixels[at];
    input[to++] = pixels[at + 1];
    input[to++] = pixels[at + 2];
  }
  return input;
}

/** The orientation that EXIF tells in the first bytes of a JPEG; 1 is none. */
function orientation(bytes) {
  const view = new DataView(bytes.buffer);
  try {
    let at = 2;
    while (view.getUint8(at) === 0xff) {
      const isExif = view.getUint32(at + 4) === 0x45786966;
      if (view.getUint8(at + 1) === 0xe1 && isExif) {
        const start = at + 10;
        const little = view.getUint16(start) === 0x4949;
        const table = start + view.getUint32(start + 4, little);
        const count = view.getUint16(table, little);
        for (let row = table + 2; row < table + 2 + 12 * count; row += 12) {
          if (view.getUint16(row, little) === 0x0112) {
            return view.getUint16(row + 8, little);
          }
        }
        return 1;
      }
      at += 2 + view.getUint16(at + 2);
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return 1;
}

/** Decodes a file of the user's; says what it is if the browser cannot. */
async function openPhoto(file) {
  const start = new Uint8Array(await file.slice(0, HEAD).arrayBuffer());
  const brand = String.fromCharCode(...start.subarray(4, 12));
  let bitmap;
  try {
    // Colour profiles are not applied in Python either.
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none" });
  } catch {
    if (/^ftyp(he|mif1|msf1)/.test(brand)) {
      throw new Error(
        "is HEIC, which this browser cannot read. Open the page in Safari, " +
          "or save the photo as JPEG (iPhone: Settings, Camera, Formats, " +
          "Most Compatible).");
    }
    throw new Error(
      "cannot be read: it is damaged, too large for this browser, or no " +
        "image that it knows. Save it as JPEG or PNG, and try again.");
  }
  if (Math.min(bitmap.width, bitmap.height) < 8) {
    throw new Error(
      `is too small: ${bitmap.width} x ${bitmap.height} pixels. At least ` +
        "8 x 8 are needed.");
  }
  const photo = onCanvas(bitmap, bitmap.width, bitmap.height);
  let flips = null;
  if (start[0] === 0xff && start[1] === 0xd8) {
    const turned = orientation(start);
    flips = {
      across: [2, 3, 6, 7].includes(turned),
      down: [3, 4, 7, 8].includes(turned),
    };
  }
  return { photo, flips, close: () => bitmap.close() };
}
