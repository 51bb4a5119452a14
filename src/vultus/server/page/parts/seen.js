// Faces that were seen in this browser and wait for review: the gallery keeps no photo of them.
// They are held in the memory of this page alone, and are gone when it is left.

import { h } from "../dom.js";

const MOST = 500;
const seen = new Map();

/** Remember the picture of a face that waits. */
export function remember(gallery, number, canvas) {
  if (number == null || canvas === null) return;
  seen.set(`${gallery}/${number}`, canvas.toDataURL("image/jpeg", 0.85));
  if (seen.size > MOST) seen.delete(seen.keys().next().value);
}

/** The picture of a face that waits, if it was seen here; else null. */
export function pictureOf(gallery, number) {
  const address = seen.get(`${gallery}/${number}`);
  return address ? h("img", { class: "cut", src: address, alt: "" }) : null;
}

/** Forget all: somebody else may log in. */
export function forgetSeen() {
  seen.clear();
}
