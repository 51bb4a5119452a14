// Faces that a job grouped: each group becomes somebody new, or photos of somebody enrolled.

import { ask, at, photoForm } from "../../api.js";
import { h, show } from "../../dom.js";
import { fileChooser } from "../../parts/chooser.js";
import { button, failure, field, say, table, working } from "../../parts/notes.js";
import { personChoice } from "../../parts/person_choice.js";
import { cutOut, faceOf } from "../../parts/picture.js";
import { why } from "../../parts/reasons.js";
import { openZip } from "../../parts/zip.js";
import { link } from "../../shell.js";
import { similarity, t, told } from "../../words.js";
import { refusedPhotos } from "../people/person.js";

const AT_ONCE = 12;
const PICTURES = 8;
const MOST_PHOTOS = 20;

const zips = new Map();

/** Remember the zip that a job was begun with: the service destroys what it was sent. */
export function keepZip(job, file) {
  zips.set(job, file);
}

/** Forget all: somebody else may log in. */
export function forgetZips() {
  zips.clear();
}

/** The groups of a job, the largest first. */
export function groupsShown(job, given) {
  const { groups, refused, threshold } = job.result;
  const ofReview = groups.some((group) => group.some((face) => face.review != null));
  const list = h("div");
  const place = h("div");
  let shown = AT_ONCE;
  const more = button(t("people.more"), () => draw((shown += AT_ONCE)), { class: "plain" });
  let source = null;
  const draw = () => {
    for (const [index, group] of [...groups.entries()].slice(list.childElementCount, shown)) list.append(groupShown(group, index, source, given));
    more.hidden = groups.length <= shown;
  };
  const begin = (from) => {
    source = from;
    show(list);
    draw();
  };
  begin(ofReview ? new Waiting(given.gallery) : null);
  if (!ofReview && groups.length) withZip(job, place, begin);
  return [
    h("p", null, t("group.found", { n: groups.length, threshold: similarity(threshold.similarity) })),
    place,
    list,
    more,
    refused.length > 0 && [h("h2", null, t("jobs.refused", { n: refused.length })), table([t("person.photo"), t("jobs.why"), t("events.details")], refused.map((one) => [h("bdi", null, one.photo), told("problem", one.code), why(one.detail)]), t("jobs.why"))],
  ];
}

/** The zip is at hand where the job was begun; else it is asked for. */
function withZip(job, place, begin) {
  const use = async (file) => {
    const zip = await openZip(file).catch(() => null);
    if (!zip || !zip.has(job.result.groups[0][0].photo)) throw new Error(t("group.other_zip"));
    keepZip(job.id, file);
    show(place);
    begin(new Unpacked(zip));
  };
  const told = h("div");
  const take = (file) => use(file).catch((error) => show(told, failure(error)));
  const ask = () => show(place, h("p", null, t("group.zip_again")), fileChooser({ id: "zip-again", accept: ".zip,application/zip", label: t("jobs.file"), take }).element, told);
  const known = zips.get(job.id);
  if (known) use(known).catch(ask);
  else ask();
}

function groupShown(group, index, source, given) {
  const pictures = h("ul", { class: "grid crops-grid" });
  const element = h("section", { class: "group" }, h("h2", null, t("review.group", { n: group.length, group: index + 1 })), pictures, source && naming(group, index, source, given));
  // Looked at when it is seen: there may be many.
  const seen = new IntersectionObserver(async ([entry]) => {
    if (!entry.isIntersecting) return;
    seen.disconnect();
    for (const face of group.slice(0, PICTURES)) pictures.append(h("li", null, await picture(face, source)));
    if (group.length > PICTURES) pictures.append(h("li", { class: "small" }, t("group.more", { n: group.length - PICTURES })));
  });
  seen.observe(element);
  return element;
}

async function picture(face, source) {
  const words = face.photo ?? t("review.face", { n: face.review });
  const shown = source && (await source.picture(face).catch(() => null));
  return shown ? h("figure", null, shown, h("figcaption", null, h("bdi", null, words))) : h("bdi", { class: "small" }, words);
}

function naming(group, index, source, given) {
  const { gallery } = given;
  const choice = personChoice(gallery, `who-${index}`);
  const told = h("div", { role: "status" });
  const enrol = async () => {
    const known = await choice.chosen();
    const name = choice.input.value.trim();
    if (!name) throw new Error(t("enrol.no_name"));
    const { person, added, left } = await source.enrol(group, known, name, gallery);
    say(t("review.assigned", { n: added, name: person.name }));
    show(place, h("p", { class: "notice" }, t("review.assigned", { n: added, name: "" }), " ", h("a", { href: link(gallery, "people", person.id) }, person.name)), left);
    place.querySelector("a").focus();
  };
  const place = h("div", null, h("div", { class: "tools" }, field(t("review.who"), choice.input, t("review.who_hint")), choice.names, working(t("group.enrol"), enrol, told, { class: "main" })), told);
  return place;
}

/** Faces that wait in the gallery. */
class Waiting {
  constructor(gallery) {
    this.gallery = gallery;
  }

  async picture({ review }) {
    const image = h("img", { class: "cut", src: at(this.gallery, "review", review, "crop"), alt: "" });
    return image.decode().then(() => image);
  }

  async enrol(group, known, name, gallery) {
    const who = known ? { person: known.id } : { name };
    const answer = await ask("POST", at(gallery, "review", "assign"), { json: { faces: group.map((face) => face.review), ...who } });
    const left = answer.left.map((one) => h("li", null, `${t("review.face", { n: one.face })}: `, one.reasons.join("; ")));
    return { person: answer.person, added: answer.added, left: left.length > 0 && h("ul", { class: "reasons" }, left) };
  }
}

/** Faces on photos of a zip that lies here. */
class Unpacked {
  constructor(zip) {
    this.zip = zip;
  }

  async faces(blob) {
    return (await ask("POST", "/v1/detect", { form: photoForm({ photo: blob }) })).faces;
  }

  async picture({ photo, face }) {
    const blob = await this.zip.read(photo);
    if (!blob) return null;
    const [cut] = await cutOut(blob, [(await this.faces(blob))[face].box_xyxy]);
    return cut;
  }

  async enrol(group, known, name, gallery) {
    const photos = [];
    for (const { photo, face } of group.slice(0, MOST_PHOTOS)) {
      const blob = await this.zip.read(photo);
      if (!blob) continue;
      const faces = await this.faces(blob);
      // Who stands among others is cut out: it must be clear who is meant.
      photos.push(faces.length > 1 ? await faceOf(blob, faces[face].box_xyxy) : blob);
    }
    const form = photoForm(known ? { photos } : { name, photos });
    const path = known ? at(gallery, "people", known.id, "photos") : at(gallery, "people");
    const answer = await ask("POST", path, { form });
    return { person: answer.person, added: answer.added, left: refusedPhotos(answer.refused) };
  }
}
