// Why a face cannot be judged, in the reader's language: the gate says it in English.

import { h } from "../dom.js";
import { t } from "../words.js";
import { inEnglish } from "./notes.js";

const NUMBERS = "([\\d.,]+)(?: px| degrees|%)?, (?:needs|at most) ([\\d.,]+)";
const KINDS = [
  [`(?:^|: |; )inter-eye distance ${NUMBERS}`, "reason.small"],
  [`(?:^|: |; )sharpness ${NUMBERS}`, "reason.blurred"],
  [`(?:^|: |; )contrast ${NUMBERS}`, "reason.flat"],
  [`(?:^|: |; )under-exposed ${NUMBERS}`, "reason.dark"],
  [`(?:^|: |; )over-exposed ${NUMBERS}`, "reason.bright"],
  [`(?:^|: |; )turned to the side by about ${NUMBERS}`, "reason.turned"],
  [`(?:^|: |; )turned up or down by about ${NUMBERS}`, "reason.tilted"],
  [`(?:^|: |; )probably covered: occlusion ${NUMBERS}`, "reason.covered"],
  [`(?:^|: |; )beyond the photo's edge ${NUMBERS}`, "reason.cut_off"],
  [`both faces are probably covered`, "reason.both_covered"],
  [`(?:^|: |; )quality score ${NUMBERS}`, "reason.poor"],
  [`(?:^|: |; )embedding norm ${NUMBERS}`, "reason.faint"],
  [`a presentation attack is suspected \\(liveness score ([\\d.]+), ([\\d.]+) is needed\\)`, "reason.attack"],
  [`(?:^|: |; )probably .*trust ${NUMBERS}`, "reason.altered"],
].map(([pattern, key]) => [new RegExp(pattern), key]);

/** A reason in the reader's words, or as the service says it. */
export function reason(text) {
  for (const [pattern, key] of KINDS) {
    const found = pattern.exec(text);
    if (found) return t(key, { value: found[1], limit: found[2] });
  }
  return text;
}

/** The same as an element: folded where nobody translated it. */
export function why(text) {
  const words = reason(text);
  return words === text ? inEnglish(text) : words;
}

/** Reasons as a list; nothing for none. */
export function reasons(texts) {
  return texts.length ? h("ul", { class: "reasons" }, texts.map((text) => said(text))) : null;
}

function said(text) {
  const words = reason(text);
  return h("li", { lang: words === text ? "en" : null }, words);
}
