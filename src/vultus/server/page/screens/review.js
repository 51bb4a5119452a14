// Faces that nobody could name, by likeness: somebody says who they are; and two people made one.

import { ask, at, may } from "../api.js";
import { h, show } from "../dom.js";
import { askFirst } from "../parts/ask_first.js";
import { avatar, button, empty, field, named, say, table, working } from "../parts/notes.js";
import { personChoice } from "../parts/person_choice.js";
import { reason } from "../parts/reasons.js";
import { pictureOf } from "../parts/seen.js";
import { day, similarity, t, time } from "../words.js";

const PAGE = 1000;
const MOST = 5000;

/** Show the screen. */
export async function openReview(page, { gallery }) {
  const queue = new Queue(gallery);
  const waiting = h("section", { tabindex: "-1", "aria-label": t("review.title") });
  const merged = h("section");
  const drawMerged = () => drawMerges(merged, gallery, drawMerged);
  const draw = async () => {
    await queue.load();
    drawQueue(waiting, queue, draw);
  };
  queue.focusOn = () => (waiting.querySelector("input[data-face]") ?? waiting).focus();
  page.append(h("p", null, t("review.what")), waiting, merged);
  await draw();
  await drawMerged();
}

/** The faces that wait, by likeness. */
class Queue {
  constructor(gallery) {
    this.gallery = gallery;
    this.chosen = new Set();
    this.choice = null;
    this.left = [];
    this.focusOn = () => {};
  }

  async load() {
    const faces = [];
    for (let cursor = ""; cursor !== null && faces.length < MOST; ) {
      const answer = await ask("GET", at(this.gallery, "review"), { query: { cursor, limit: PAGE } });
      faces.push(...answer.faces);
      this.rules = answer.rules;
      cursor = answer.next;
    }
    this.faces = new Map(faces.map((face) => [face.number, face]));
    this.chosen = new Set([...this.chosen].filter((number) => this.faces.has(number)));
    this.groups = faces.length ? await this.grouped() : [];
  }

  async grouped() {
    try {
      const { groups } = await ask("GET", at(this.gallery, "review", "groups"));
      return groups.map((group) => group.filter((number) => this.faces.has(number))).filter((group) => group.length);
    } catch {
      return [[...this.faces.keys()]]; // no threshold is known, or there are too many: one after the other
    }
  }
}

function drawQueue(place, queue, draw) {
  if (!queue.rules) return show(place, notAllowed(queue, draw));
  const rules = h("p", { class: "small" }, t("review.rules", { n: queue.faces.size, days: queue.rules.days }));
  if (!queue.faces.size) return show(place, rules, empty(t("review.none")));
  const tools = h("div", { class: "review-tools" });
  const choose = (numbers, on) => {
    numbers.forEach((number) => (on ? queue.chosen.add(number) : queue.chosen.delete(number)));
    place.querySelectorAll("input[data-face]").forEach((box) => (box.checked = queue.chosen.has(Number(box.dataset.face))));
    drawTools(tools, queue, draw);
  };
  show(place, rules, leftShown(queue), tools, queue.groups.map((group, index) => groupShown(group, index, queue, choose)));
  drawTools(tools, queue, draw);
}

/** Faces that were not taken the last time, and why: told once. */
function leftShown(queue) {
  const left = queue.left.splice(0);
  const said = (one) => h("li", null, `${t("review.face", { n: one.face })}: ${one.reasons.map((text) => reason(text)).join("; ")}`);
  return left.length > 0 && h("div", { class: "warning", role: "alert" }, h("strong", null, t("review.left", { n: left.length })), h("ul", { class: "reasons" }, left.map(said)));
}

function notAllowed(queue, draw) {
  const told = h("div");
  const allow = async () => {
    await ask("PUT", at(queue.gallery, "review"), { json: { days: 30 } });
    await draw();
  };
  return [empty(t("review.not_allowed"), may("admin") && working(t("review.allow"), allow, told, { class: "main" })), told];
}

function groupShown(group, index, queue, choose) {
  const all = named(button(t("review.choose_all"), () => choose(group, !group.every((number) => queue.chosen.has(number))), { class: "plain" }), t("review.group", { n: group.length, group: index + 1 }));
  return h(
    "section",
    { class: "group" },
    h("header", null, h("h2", null, t("review.group", { n: group.length, group: index + 1 })), group.length > 1 && all),
    h("ul", { class: "grid faces-grid" }, group.map((number) => tile(queue.faces.get(number), queue, choose))),
  );
}

function tile(face, queue, choose) {
  const box = h("input", { type: "checkbox", "data-face": face.number, checked: queue.chosen.has(face.number), onchange: () => choose([face.number], box.checked) });
  const [best] = face.suggestions;
  return h(
    "li",
    null,
    h(
      "label",
      { class: "tile" },
      box,
      pictureOf(queue.gallery, face.number) ?? cropOf(queue.gallery, face) ?? avatar("?"),
      h(
        "span",
        null,
        h("strong", null, t("review.face", { n: face.number })),
        best && h("span", { class: "small" }, t("review.like", { name: best.identity, value: similarity(best.similarity) })),
        h("span", { class: "small when" }, time(face.kept_at)),
        face.expires_at && h("span", { class: "small when" }, t("review.until", { day: day(face.expires_at) })),
      ),
    ),
  );
}

/** The aligned face, where the gallery keeps crops; else null. */
function cropOf(gallery, face) {
  return face.crop ? h("img", { class: "cut", src: at(gallery, "review", face.number, "crop"), alt: "", loading: "lazy" }) : null;
}

function drawTools(place, queue, draw) {
  const numbers = [...queue.chosen];
  if (!numbers.length) return show(place, h("p", { class: "small" }, t("review.choose")));
  const told = h("div", { role: "status" });
  const done = async (text) => {
    queue.chosen.clear();
    queue.choice = null;
    await draw();
    say(text);
    queue.focusOn();
  };
  // What was written stays while faces are chosen.
  const choice = (queue.choice ??= personChoice(queue.gallery, "who"));
  const assign = async () => {
    const person = await choice.chosen();
    const who = person ? { person: person.id } : { name: choice.input.value.trim() };
    if (!person && !who.name) throw new Error(t("enrol.no_name"));
    const answer = await ask("POST", at(queue.gallery, "review", "assign"), { json: { faces: numbers, ...who } });
    queue.left = answer.left;
    await done(t("review.assigned", { n: answer.added, name: answer.person.name }));
  };
  const dismiss = async () => {
    const sure = await askFirst({ title: t("review.dismiss_title", { n: numbers.length }), text: t("review.dismiss_text"), yes: t("review.dismiss"), danger: true });
    if (!sure) return;
    const answer = await ask("POST", at(queue.gallery, "review", "dismiss"), { json: { faces: numbers } });
    await done(t("review.dismissed", { n: answer.deleted }));
  };
  show(
    place,
    h("p", null, h("strong", null, t("review.chosen", { n: numbers.length }))),
    h("div", { class: "tools" }, field(t("review.who"), choice.input, t("review.who_hint")), choice.names, working(t("review.assign"), assign, told, { class: "main" }), working(t("review.dismiss"), dismiss, told, { class: "danger" })),
    denials(numbers, queue, told, done),
    told,
  );
}

/** "Not this person", for each who is suggested for a chosen face. */
function denials(numbers, queue, told, done) {
  const suggested = new Map();
  for (const number of numbers) {
    for (const one of queue.faces.get(number).suggestions) suggested.set(one.person, one.identity);
  }
  suggested.delete(null);
  const deny = async (person, name) => {
    const concerned = numbers.filter((number) => queue.faces.get(number).suggestions.some((one) => one.person === person));
    for (const face of concerned) await ask("POST", at(queue.gallery, "review", "deny"), { json: { face, person } });
    await done(t("review.denied", { name }));
  };
  return h("div", { class: "actions" }, [...suggested].map(([person, name]) => working(t("review.deny", { name }), () => deny(person, name), told)));
}

async function drawMerges(place, gallery, draw) {
  const told = h("div");
  const { merges } = await ask("GET", at(gallery, "merges"));
  const rows = merges.toReversed().map((one) => [one.identity, one.into, t("people.photos", { n: one.photos }), time(one.merged_at), named(working(t("review.undo"), () => undo(gallery, one, draw), told, { class: "plain" }), one.identity)]);
  const heads = [t("review.gone"), t("review.stays"), t("person.photos"), t("events.when"), ""];
  show(
    place,
    h("h2", null, t("review.merges")),
    h("p", null, t("review.merges_what")),
    h("div", { class: "actions" }, button(t("review.merge"), () => askMerge(gallery, draw))),
    merges.length > 0 && table(heads, rows, t("review.merges")),
    told,
  );
}

async function undo(gallery, one, draw) {
  const person = await ask("POST", at(gallery, "merges", one.number, "undo"), { json: {} });
  await draw();
  say(t("review.undone", { name: person.name }));
}

async function askMerge(gallery, draw) {
  const [gone, stays] = [personChoice(gallery, "gone"), personChoice(gallery, "stays")];
  await askFirst({
    title: t("review.merge"),
    text: t("review.merge_text"),
    yes: t("review.merge_yes"),
    body: [field(t("review.gone"), gone.input), gone.names, field(t("review.stays"), stays.input), stays.names],
    action: async () => {
      const [from, into] = [await gone.chosen(), await stays.chosen()];
      if (!from || !into) throw new Error(t("review.merge_who"));
      const answer = await ask("POST", at(gallery, "merges"), { json: { person: from.id, into: into.id } });
      await draw();
      say(t("review.merged", { name: answer.person.name }));
    },
  });
}
