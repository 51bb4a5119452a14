// Two photos: one person or not, at the false match rate that the reader chooses.

import { ask, photoForm } from "../api.js";
import { h, show } from "../dom.js";
import { chooser } from "../parts/chooser.js";
import { failure, inEnglish } from "../parts/notes.js";
import { Picture } from "../parts/picture.js";
import { scale } from "../parts/scale.js";
import { number, rate, similarity, t } from "../words.js";
import { origin } from "./identify.js";

const DEFAULT_POWER = 3;

/** Show the screen. */
export async function openCompare(page, { onLeave }) {
  const result = h("div", { class: "result", "aria-live": "polite" });
  const told = h("output", { for: "fmr" });
  const slider = h("input", { id: "fmr", type: "range", min: "1", max: "6", step: "0.5", value: DEFAULT_POWER });
  const fmr = () => Number((10 ** -Number(slider.value)).toPrecision(1));
  const sides = [new Side("a", onLeave, () => sides[0].photo === null), new Side("b", onLeave, () => sides[0].photo !== null)];
  let turn = 0;
  const compare = async () => {
    if (sides.some((side) => side.photo === null)) return;
    const mine = (turn += 1);
    const answer = await compared(sides, fmr());
    if (mine === turn) show(result, answer);
  };
  let waiting = 0;
  const tell = () => {
    told.textContent = rate(fmr());
    slider.setAttribute("aria-valuetext", rate(fmr()));
    clearTimeout(waiting);
    waiting = setTimeout(compare, 200);
  };
  slider.addEventListener("input", tell);
  sides.forEach((side) => (side.changed = compare));
  onLeave(() => sides.forEach((side) => side.close()));
  page.append(
    h("p", null, t("compare.what")),
    h("div", { class: "sides" }, sides.map((side) => side.element)),
    h("div", { class: "field slider" }, h("label", { for: "fmr" }, t("compare.fmr"), " ", told), slider, h("p", { class: "small" }, t("compare.fmr_hint"))),
    result,
  );
  tell();
}

/** One of the two photos. */
class Side {
  constructor(name, onLeave, pastes) {
    this.photo = null;
    this.picture = null;
    this.changed = () => {};
    this.place = h("div", { class: "place" });
    this.crop = h("div", { class: "crop" });
    this.element = h("div", { class: "side" }, chooser({ take: ([file]) => this.take(file), label: t(`compare.photo_${name}`), onLeave, pastes }), this.place, this.crop);
  }

  async take(file) {
    this.close();
    this.photo = file;
    this.picture = new Picture(file, t("identify.photo"));
    show(this.place, this.picture.element);
    show(this.crop);
    await Promise.all([this.changed(), this.look(file)]);
  }

  async look(file) {
    try {
      const { faces } = await ask("POST", "/v1/detect", { form: photoForm({ photo: file }) });
      if (this.photo === file) await this.picture.mark(faces.map((face) => ({ ...face, kind: face.refusal.length ? "refused" : "known" })));
    } catch {
      // The verdict tells what is wrong with a photo.
    }
    await this.align(file);
  }

  async align(file) {
    try {
      const crop = await ask("POST", "/v1/crop", { form: photoForm({ photo: file }) });
      const picture = new Picture(crop, t("compare.crop"));
      if (this.photo === file) show(this.crop, picture.element, h("p", { class: "small" }, t("compare.crop")));
    } catch {
      // Nor is there a crop where there is no face.
    }
  }

  close() {
    this.picture?.close();
  }
}

async function compared([a, b], fmr) {
  try {
    return verdict(await ask("POST", "/v1/verify", { form: photoForm({ a: a.photo, b: b.photo }), query: { fmr } }));
  } catch (error) {
    return failure(error);
  }
}

/** What is said of a comparison. */
export function verdict(answer) {
  const kind = answer.same_person ? "known" : "unknown";
  const { threshold } = answer;
  const values = { value: similarity(answer.similarity), threshold: similarity(threshold.similarity) };
  return h(
    "article",
    { class: `face ${kind}` },
    h("h2", null, t(answer.same_person ? "compare.same" : "compare.other")),
    scale({ threshold: threshold.similarity, points: [{ value: answer.similarity, label: t("compare.pair"), best: true }] }),
    h("p", null, t(answer.same_person ? "compare.why_same" : "compare.why_other", values)),
    answer.probability !== null && h("p", null, t("compare.probability", { p: number(100 * answer.probability, 1), prior: number(100 * answer.prior, 0) })),
    h("p", { class: "small" }, stands(threshold)),
    origin(threshold.origin),
    answer.notes.map((note) => inEnglish(note, { class: "small" })),
  );
}

function stands(threshold) {
  const pairs = threshold.n_impostor ? t("compare.pairs", { n: threshold.n_impostor }) : "";
  return [t("compare.stands", { rate: rate(threshold.fmr) }), pairs].filter(Boolean).join(" ");
}
