// Somebody new: photos are looked at as they are chosen, then the person is enrolled.

import { ask, at, photoForm } from "../../api.js";
import { h, show } from "../../dom.js";
import { snapshotButton } from "../../parts/camera.js";
import { chooser } from "../../parts/chooser.js";
import { button, failure, named, say, working } from "../../parts/notes.js";
import { Picture } from "../../parts/picture.js";
import { reason } from "../../parts/reasons.js";
import { link } from "../../shell.js";
import { t } from "../../words.js";
import { Details } from "./details.js";
import { refusedWords } from "./person.js";

const AT_ONCE = 3;

/** Show the enrolment. */
export async function openEnrol(page, { gallery, title, go, onLeave }) {
  title.textContent = t("enrol.title");
  const photos = new ChosenPhotos();
  const form = new Details();
  const told = h("div");
  const enrol = async () => {
    const sent = photos.usable();
    if (!form.name.value.trim()) throw new Error(t("enrol.no_name"));
    if (!sent.length) throw new Error(t("enrol.no_photo"));
    try {
      const answer = await ask("POST", at(gallery, "people"), { form: form.filled(sent) });
      say(t("enrol.done", { name: answer.person.name, n: answer.added }));
      if (!answer.refused.length) return go("people", answer.person.id);
      photos.refuse(sent, answer.refused);
      show(told, enrolled(answer, gallery));
    } catch (error) {
      photos.refuse(sent, error.errors ?? []);
      throw error;
    }
  };
  onLeave(() => photos.close());
  const take = (files) => photos.add(files);
  page.append(
    h("p", null, h("a", { href: link(gallery, "people") }, t("person.back"))),
    h("section", null, h("h2", null, t("enrol.step_photos")), h("p", null, t("enrol.photos_what")), chooser({ take, several: true, onLeave }), snapshotButton({ take, onLeave }), photos.element),
    h("section", null, h("h2", null, t("enrol.step_person")), form.element),
    h("div", { class: "actions" }, working(t("enrol.enrol"), enrol, told, { class: "main", id: "enrol" })),
    told,
  );
}

/** The photos of somebody who is to be enrolled, each with what the gate says of it. */
class ChosenPhotos {
  constructor() {
    this.cards = [];
    this.element = h("ul", { class: "grid photos-grid" });
  }

  async add(files) {
    // A few at once: many may be chosen, and the service has others to answer.
    const left = [...files];
    const some = async () => {
      while (left.length) await this.look(left.shift());
    };
    await Promise.all(Array.from({ length: AT_ONCE }, some));
  }

  async look(file) {
    const picture = new Picture(file, t("enrol.photo", { n: this.cards.length + 1 }));
    const told = h("div", { class: "told" }, h("p", { class: "small" }, t("working")));
    const one = { file, picture, told, poor: false };
    const remove = () => {
      this.cards.splice(this.cards.indexOf(one), 1);
      picture.close();
      const beside = one.element.nextElementSibling ?? one.element.previousElementSibling;
      one.element.remove();
      (beside?.querySelector("button") ?? document.querySelector(".chooser input")).focus();
    };
    one.element = h("li", null, picture.element, told, named(button(t("enrol.remove"), remove, { class: "plain" }), t("enrol.photo", { n: this.cards.length + 1 })));
    this.cards.push(one);
    this.element.append(one.element);
    try {
      judge(one, await ask("POST", "/v1/detect", { form: photoForm({ photo: file }) }));
    } catch (error) {
      one.poor = true;
      show(told, failure(error));
    }
  }

  /** What is to be sent: all but those that were seen to be of no use. */
  usable() {
    return this.cards.filter((one) => !one.poor).map((one) => one.file);
  }

  refuse(sent, refused) {
    for (const told of refused.filter((one) => one.photo)) {
      const card = this.cards.find((one) => one.file === sent[told.photo - 1]);
      card?.element.classList.add("refused");
      if (card) show(card.told, h("p", { class: "warning" }, refusedWords(told)));
    }
  }

  close() {
    this.cards.forEach((one) => one.picture.close());
  }
}

function judge(one, { faces }) {
  const kinds = faces.map((face) => ({ ...face, kind: face.refusal.length ? "refused" : "known" }));
  const numbered = (face, place) => ({ ...face, label: faces.length > 1 ? String(place + 1) : null });
  one.picture.mark(kinds.map(numbered)).then(() => one.picture.layer.append(drawn(faces)));
  const fine = faces.filter((face) => !face.refusal.length);
  one.poor = fine.length === 0;
  one.element.classList.toggle("refused", one.poor);
  const words = faces.length === 0 ? t("enrol.no_face") : fine.length > 1 ? t("enrol.several") : fine.length ? t("enrol.fine") : t("enrol.poor");
  show(one.told, h("p", { class: one.poor ? "bad" : "good" }, words));
}

/** What the gate says, on the photo itself: of each face that is refused. */
function drawn(faces) {
  const said = faces.flatMap((face, place) => face.refusal.map((text) => (faces.length > 1 ? `${place + 1} · ${reason(text)}` : reason(text))));
  return said.length ? h("ul", { class: "drawn" }, said.map((text) => h("li", null, text))) : "";
}

function enrolled(answer, gallery) {
  return h("p", { class: "notice" }, t("enrol.some", { added: answer.added, n: answer.refused.length }), " ", h("a", { href: link(gallery, "people", answer.person.id) }, answer.person.name));
}
