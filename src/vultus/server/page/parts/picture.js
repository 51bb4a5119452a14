// A photo with what was found on it.

import { h } from "../dom.js";
import { t } from "../words.js";

const AROUND = 0.35;

/** The photo of a blob; `loaded` gives its size in pixels, or null if no browser can show it. */
export class Picture {
  constructor(blob, alt) {
    this.address = URL.createObjectURL(blob);
    this.image = h("img", { src: this.address, alt });
    this.layer = h("div", { class: "layer" });
    this.element = h("div", { class: "picture" }, this.image, this.layer);
    this.loaded = this.image.decode().then(
      () => ({ width: this.image.naturalWidth, height: this.image.naturalHeight }),
      () => (this.image.replaceWith(h("p", { class: "unseen" }, t("photo.not_shown"))), null),
    );
  }

  /** Draw a box for each face: `{box_xyxy, kind, label}`; kind is known, unknown or refused. */
  async mark(faces) {
    const size = await this.loaded;
    if (size === null) return;
    this.layer.replaceChildren(...faces.map((face) => box(face, size)));
    fitLabels(this.layer);
  }

  /** Let go of the photo. */
  close() {
    URL.revokeObjectURL(this.address);
  }
}

/** A face with much around it, as a photo of its own. */
export async function faceOf(blob, [x1, y1, x2, y2]) {
  const bitmap = await createImageBitmap(blob);
  const [dx, dy] = [AROUND * (x2 - x1), AROUND * (y2 - y1)];
  const [left, top] = [Math.max(0, x1 - dx), Math.max(0, y1 - dy)].map(Math.floor);
  const width = Math.ceil(Math.min(bitmap.width, x2 + dx) - left);
  const height = Math.ceil(Math.min(bitmap.height, y2 + dy) - top);
  const canvas = h("canvas", { width, height });
  canvas.getContext("2d").drawImage(bitmap, -left, -top);
  bitmap.close();
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

/** Faces cut out of a photo, each null if no browser shows it; who they are stands beside them. */
export async function cutOut(blob, boxesXyxy, sizePx = 96) {
  try {
    const bitmap = await createImageBitmap(blob);
    const cut = boxesXyxy.map((box) => square(bitmap, box, sizePx));
    bitmap.close();
    return cut;
  } catch {
    return boxesXyxy.map(() => null);
  }
}

function square(bitmap, [x1, y1, x2, y2], sizePx) {
  const canvas = h("canvas", { class: "cut", width: sizePx, height: sizePx, "aria-hidden": "true" });
  const side = 1.3 * Math.max(x2 - x1, y2 - y1);
  const [left, top] = [(x1 + x2 - side) / 2, (y1 + y2 - side) / 2];
  canvas.getContext("2d").drawImage(bitmap, left, top, side, side, 0, 0, sizePx, sizePx);
  return canvas;
}

/** A box over a photo or a video, in per cent of its size. */
export function box({ box_xyxy: [x1, y1, x2, y2], kind, label }, { width, height }) {
  const part = (value, whole) => `${(100 * value) / whole}%`;
  const place = {
    left: part(x1, width),
    top: part(y1, height),
    width: part(x2 - x1, width),
    height: part(y2 - y1, height),
  };
  return h("div", { class: `box ${kind}`, style: place }, label && h("span", { class: y1 < 0.08 * height ? "below" : "" }, label));
}

/** What is written on boxes goes to the left where the photo ends on the right. */
export function fitLabels(layer) {
  const end = layer.getBoundingClientRect().right;
  for (const label of layer.querySelectorAll(".box span")) label.classList.toggle("leftwards", label.getBoundingClientRect().right > end);
}
