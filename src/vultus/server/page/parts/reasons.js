// Why a face cannot be judged, in the reader's language: the gate says it in English.

import { h } from "../dom.js";
import { t } from "../words.js";

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
  [`(?:^|: |; )quality score ${NUMBERS}`, "reason.poor"],
  [`(?:^|: |; )embedding norm ${NUMBERS}`, "reason.faint"],
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

/** Reasons as a list; nothing for none. */
export function reasons(texts) {
  return texts.length ? h("ul", { class: "reasons" }, texts.map((text) => h("li", null, reason(text)))) : null;
}
