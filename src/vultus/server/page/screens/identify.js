// Who is on a photo: each face named or unknown, with what that stands on.

import { ask, at, may, photoForm } from "../api.js";
import { h, show } from "../dom.js";
import { cameraPanel } from "../parts/camera.js";
import { chooser } from "../parts/chooser.js";
import { avatar, button, failure, field, inEnglish } from "../parts/notes.js";
import { cutOut, Picture } from "../parts/picture.js";
import { reasons } from "../parts/reasons.js";
import { remember } from "../parts/seen.js";
import { scale } from "../parts/scale.js";
import { link } from "../shell.js";
import { rate, similarity, t } from "../words.js";

const FPIRS = [0.1, 0.03, 0.01, 0.003, 0.001];
const DEFAULT = 0.01;

/** Show the screen. */
export async function openIdentify(page, { gallery, onLeave }) {
  const fpir = h("select", { id: "fpir" }, FPIRS.map((value) => h("option", { value }, rate(value))));
  fpir.value = String(DEFAULT);
  const looks = h("input", { type: "checkbox", id: "require-live" });
  const look = h("div", { hidden: true }, field(t("identify.require_live"), looks, t("identify.require_live_hint")));
  const result = h("div", { class: "result", "aria-live": "polite" });
  const camera = h("div");
  let photo = null;
  let picture = null;
  let turn = 0;
  let stop = () => {};
  const still = (files) => {
    stop();
    [photo] = files;
    return identify();
  };
  const identify = async () => {
    if (photo === null) return;
    const mine = (turn += 1);
    picture?.close();
    picture = new Picture(photo, t("identify.photo"));
    // An answer that comes late is not put over that to a newer photo.
    await shown(result, { picture, photo, gallery, query: { fpir: fpir.value, require_live: looks.checked }, late: () => mine !== turn });
  };
  const live = () => {
    stop();
    turn += 1;
    photo = null;
    show(result);
    const panel = cameraPanel({ gallery, fpir: () => fpir.value, label: nameOf, kind: kindOf });
    show(camera, panel.element);
    stop = () => (panel.close(), show(camera), (stop = () => {}));
  };
  fpir.addEventListener("change", identify);
  looks.addEventListener("change", identify);
  onLeave(() => (stop(), picture?.close()));
  page.append(
    h("p", null, t("identify.what")),
    h(
      "div",
      { class: "ways" },
      chooser({ take: still, onLeave }),
      h("div", { class: "beside" }, field(t("identify.fpir"), fpir, t("identify.fpir_hint")), look, button(t("identify.camera"), live, { id: "camera" })),
    ),
    camera,
    result,
  );
  const version = await ask("GET", "/v1/version");
  look.hidden = !version.liveness.length || version.require_live;
}

/** Name the faces of a photo, on the page. */
export async function shown(result, { picture, photo, gallery, query, late }) {
  show(result, h("div", { class: "photo-and-faces" }, picture.element, h("p", { class: "small" }, t("working"))));
  try {
    const { faces } = await ask("POST", at(gallery, "identify"), { form: photoForm({ photo }), query });
    if (late()) return;
    await picture.mark(faces.map((face, place) => ({ ...face, kind: kindOf(face), label: labelOf(face, place, faces) })));
    const cuts = await cutOut(photo, faces.map((face) => face.box_xyxy));
    faces.forEach((face, place) => remember(gallery, face.review, cuts[place]));
    const cards = faces.map((face, place) => card(face, gallery, cuts[place], place));
    if (!late()) show(result, h("div", { class: "photo-and-faces" }, picture.element, h("div", { class: "faces" }, faces.length ? cards : h("p", null, t("identify.nobody")))));
  } catch (error) {
    if (!late()) show(result, h("div", { class: "photo-and-faces" }, picture.element, failure(error)));
  }
}

/** How a face is drawn. */
export function kindOf(face) {
  if (face.refusal.length) return "refused";
  return face.identity === null ? "unknown" : "known";
}

function attacked(face) {
  return face.liveness != null && face.liveness.verdict !== "no attack seen";
}

function labelOf(face, place, faces) {
  const name = nameOf(face);
  return faces.length > 1 ? `${place + 1} · ${name}` : name;
}

/** Who it is, in words. */
export function nameOf(face) {
  if (face.refusal.length) return t("identify.refused");
  return face.identity ?? t("identify.unknown");
}

function card(face, gallery, cut, place = 0) {
  const named = face.person === null ? nameOf(face) : h("a", { href: link(gallery, "people", face.person) }, face.identity);
  return h(
    "article",
    { class: `face ${kindOf(face)}` },
    h("header", null, cut ?? avatar(String(place + 1)), h("h2", null, named), h("span", { class: "verdict" }, t(`identify.kind_${attacked(face) ? "attack" : kindOf(face)}`))),
    face.refusal.length ? reasons(face.refusal) : judged(face),
    face.liveness && liveness(face.liveness),
    face.review != null && may("operator") && h("p", { class: "small" }, h("a", { href: link(gallery, "review") }, t("identify.waits", { n: face.review }))),
    face.notes.map((note) => inEnglish(note, { class: "small" })),
  );
}

function judged(face) {
  const points = face.candidates.map((one, place) => ({ value: one.similarity, label: one.identity, best: place === 0 }));
  return [
    scale({ threshold: face.threshold.similarity, points }),
    h("p", null, why(face)),
    face.candidates.length > 0 && h("ol", { class: "candidates" }, face.candidates.map((one) => h("li", null, h("span", null, one.identity), h("b", null, similarity(one.similarity))))),
    h("p", { class: "small" }, stands(face)),
    origin(face.threshold.origin),
  ];
}

/** What a look for prints and screens said: a signal, no proof. */
function liveness({ verdict, score, threshold }) {
  const word = { "no attack seen": "clean", "attack suspected": "suspected" }[verdict] ?? "unclear";
  const known = threshold.apcer === null ? t("liveness.unmeasured") : t("liveness.apcer", { rate: rate(threshold.apcer), n: threshold.n_attacks, species: threshold.species });
  return h("p", { class: "small" }, t(`liveness.${word}`, { value: similarity(score), threshold: similarity(threshold.score) }), " ", known);
}

/** Why the answer is what it is. */
function why(face) {
  const threshold = similarity(face.threshold.similarity);
  if (!face.candidates.length) return t("identify.why_empty");
  const [best] = face.candidates;
  const values = { name: best.identity, value: similarity(best.similarity), threshold };
  return t(face.identity === null ? "identify.why_unknown" : "identify.why_known", values);
}

function stands(face) {
  const said = [t("identify.size", { n: face.gallery_size })];
  if (face.fpir !== null) {
    said.push(t("identify.fpir_of", { rate: rate(face.fpir), high: rate(face.fpir_high ?? face.fpir) }));
  }
  if (face.fnir !== null) said.push(t("identify.fnir_of", { rate: rate(face.fnir) }));
  return said.join(" ");
}

/** On what a threshold was measured, as its calibration says it. */
export function origin(text) {
  return text ? h("details", { class: "small" }, h("summary", null, t("identify.origin")), h("p", { lang: "en" }, text)) : null;
}
