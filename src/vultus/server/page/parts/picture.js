// A photo with what was found on it.

import { h } from "../dom.js";
import { t } from "../words.js";

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
    if (size !== null) this.layer.replaceChildren(...faces.map((face) => box(face, size)));
  }

  /** Let go of the photo. */
  close() {
    URL.revokeObjectURL(this.address);
  }
}

/** One face cut out of a photo; who it is stands beside it. */
export async function cutOut(blob, boxXyxy, sizePx = 96) {
  const canvas = h("canvas", { class: "cut", width: sizePx, height: sizePx, "aria-hidden": "true" });
  try {
    const bitmap = await createImageBitmap(blob);
    const [x1, y1, x2, y2] = boxXyxy;
    const side = 1.3 * Math.max(x2 - x1, y2 - y1);
    const left = (x1 + x2 - side) / 2;
    const top = (y1 + y2 - side) / 2;
    canvas.getContext("2d").drawImage(bitmap, left, top, side, side, 0, 0, sizePx, sizePx);
    bitmap.close();
  } catch {
    return null; // of a kind that no browser shows
  }
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
