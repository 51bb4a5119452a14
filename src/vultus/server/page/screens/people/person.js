// One person: what is noted, how many photos, what happened; more photos, erasure.

import { ask, at, may, photoForm } from "../../api.js";
import { h, show } from "../../dom.js";
import { askFirst } from "../../parts/ask_first.js";
import { chooser } from "../../parts/chooser.js";
import { avatar, button, chips, facts, failure, named, saveJson, say, table, until, working } from "../../parts/notes.js";
import { reason } from "../../parts/reasons.js";
import { link } from "../../shell.js";
import { language, similarity, t, time, told } from "../../words.js";
import { verdict } from "../compare.js";
import { Details } from "./details.js";
import { eventRows, personEvents } from "../events.js";

/** Show one person. */
export async function openPerson(page, { gallery, rest, title, go, onLeave }) {
  const person = await ask("GET", at(gallery, "people", rest[0]));
  title.textContent = person.name;
  const reload = () => go("people", person.id);
  const check = checked(person, gallery, onLeave);
  page.append(
    h("p", null, h("a", { href: link(gallery, "people") }, t("person.back"))),
    h("div", { class: "person-head" }, avatar(person.name), h("div", null, h("p", null, t("people.photos", { n: person.photos })), chips(person.groups))),
    noted(person, () => change(person, gallery, reload)),
    check.element,
  );
  if (may("operator")) page.append(await kept(person, gallery, reload), morePhotos(person, gallery, { reload, onLeave, pastes: () => !check.element.open }));
  if (may("operator")) await history(page, gallery, person);
  if (may("admin")) page.append(disclosure(person, gallery), erasure(page, person, gallery, title));
}

function noted(person, edit) {
  const consent = person.consent && `${person.consent.purpose} (${time(person.consent.given_at)}${person.consent.until ? `, ${until(person.consent.until)}` : ""})`;
  return h(
    "section",
    null,
    h("h2", null, t("person.noted")),
    facts([
      [t("person.external_id"), person.external_id],
      [t("person.enrolled_at"), time(person.enrolled_at)],
      [t("person.consent"), consent ?? t("person.no_consent")],
      [t("person.expires"), person.expires_at ? time(person.expires_at) : t("person.never")],
      ...Object.entries(person.metadata).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]),
      [t("person.id"), h("code", null, person.id)],
    ]),
    may("operator") && h("div", { class: "actions" }, button(t("person.edit"), edit)),
  );
}

async function change(person, gallery, reload) {
  const details = new Details(person);
  const told = h("div");
  await askFirst({
    title: t("person.edit"),
    yes: t("person.save"),
    body: [details.element, told],
    action: async () => {
      // Refused if somebody else changed the person since it was read.
      await ask("PATCH", at(gallery, "people", person.id), { json: details.changed(), match: person.etag });
      say(t("person.saved"));
      reload();
    },
  });
}

/** Whether a photo shows this very person. */
function checked(person, gallery, onLeave) {
  const told = h("div", { "aria-live": "polite" });
  const take = async ([photo]) => {
    show(told, h("p", { class: "small" }, t("working")));
    try {
      show(told, verdict(await ask("POST", at(gallery, "people", person.id, "verify"), { form: photoForm({ photo }) })));
    } catch (error) {
      show(told, failure(error));
    }
  };
  const place = chooser({ take, onLeave, pastes: () => element.open });
  const element = h("details", { class: "more" }, h("summary", null, t("person.check")), place, told);
  return { element };
}

/** The photos that are kept as vectors, each to be taken out again. */
async function kept(person, gallery, reload) {
  const { photos } = await ask("GET", at(gallery, "people", person.id, "photos"));
  const told = h("div");
  const rows = photos.map((photo) => {
    const takeOut = async () => {
      await ask("DELETE", at(gallery, "people", person.id, "photos", photo.number));
      reload();
    };
    const crop = photo.crop && h("img", { class: "cut", alt: t("compare.crop"), src: at(gallery, "people", person.id, "photos", photo.number, "crop") });
    const out = photos.length > 1 && named(working(t("person.take_out"), takeOut, told, { class: "plain" }), t("enrol.photo", { n: photo.number + 1 }));
    return [crop || String(photo.number + 1), time(photo.enrolled_at), photo.quality === null ? "–" : similarity(photo.quality), photo.forced ? t("person.forced") : "", out || ""];
  });
  const heads = [t("person.photo"), t("person.enrolled_at"), t("person.quality"), t("person.remarks"), ""];
  return h("section", null, h("h2", null, t("person.photos")), table(heads, rows, t("person.photos")), told);
}

function morePhotos(person, gallery, { reload, onLeave, pastes }) {
  const told = h("div");
  const take = async (photos) => {
    show(told, h("p", { class: "small" }, t("working")));
    try {
      const answer = await ask("POST", at(gallery, "people", person.id, "photos"), { form: photoForm({ photos }) });
      say(t("person.added", { n: answer.added }));
      if (!answer.refused.length) return reload();
      show(told, refusedPhotos(answer.refused));
    } catch (error) {
      show(told, failure(error), refusedPhotos(error.errors ?? []));
    }
  };
  return h("section", null, h("h2", null, t("person.more_photos")), chooser({ take, several: true, onLeave, pastes }), told);
}

/** Photos that were not taken, with the reason of each. */
export function refusedPhotos(refused) {
  const known = refused.filter((one) => one.photo);
  return known.length ? h("ul", { class: "reasons" }, known.map((one) => h("li", null, refusedWords(one)))) : null;
}

/** Why a photo was not taken. */
export function refusedWords(one) {
  const detail = one.detail.replace(/^photo \d+: /, "");
  const words = reason(detail);
  // What nobody translated is told by its code, unless the page speaks the service's language.
  const why = words !== detail || language() === "en" || !one.code ? words : told("problem", one.code);
  return t("person.refused_photo", { n: one.photo, why });
}

async function history(page, gallery, person) {
  const events = await personEvents(gallery, person.id);
  const rows = events.length ? eventRows(events, gallery, new Map([[person.id, person.name]])) : h("p", { class: "small" }, t("person.no_history"));
  page.append(h("section", null, h("h2", null, t("person.history")), rows));
}

/** All that is held, for the person to have. */
function disclosure(person, gallery) {
  const file = h("a", { class: "button", href: at(gallery, "people", person.id, "export"), download: "" }, t("person.export_save"));
  return h("section", null, h("h2", null, t("person.export")), h("p", null, t("person.export_what")), h("div", { class: "actions" }, file));
}

function erasure(page, person, gallery, title) {
  const told = h("div");
  const erase = async () => {
    const yes = await askFirst({
      title: t("person.erase_title", { name: person.name }),
      text: t("person.erase_text"),
      yes: t("person.erase_yes"),
      danger: true,
    });
    if (!yes) return;
    const { receipt } = await ask("DELETE", at(gallery, "people", person.id));
    show(page, receiptShown(receipt, gallery));
    title.textContent = t("person.receipt");
    title.focus();
    say(t("person.erased"));
  };
  return h("section", null, h("h2", null, t("person.erasure")), h("p", null, t("person.erase_what")), working(t("person.erase"), erase, told, { class: "danger" }), told);
}

function receiptShown(receipt, gallery) {
  const text = JSON.stringify(receipt, null, 2);
  const save = () => saveJson(receipt, "erasure-receipt.json");
  return h(
    "section",
    null,
    h("p", null, t("person.receipt_what")),
    h("pre", { tabindex: "0" }, text),
    h("div", { class: "actions" }, button(t("person.receipt_save"), save), h("a", { href: link(gallery, "people") }, t("person.back"))),
  );
}
