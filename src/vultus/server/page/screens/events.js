// What happened in a gallery, as it happens.

import { ask, at } from "../api.js";
import { h, show } from "../dom.js";
import { empty, failure, field, table } from "../parts/notes.js";
import { reason } from "../parts/reasons.js";
import { link } from "../shell.js";
import { similarity, t, time, told } from "../words.js";

const KEPT = 300;
const PAUSE_MS = 2000;
const AT_ONCE = 1000;
const TYPES = ["recognised", "unknown", "refused", "enrolled", "changed", "merged", "unmerged", "reviewed", "erased", "error"];

/** Show the screen; it follows what happens until it is left. */
export async function openEvents(page, { gallery, onLeave, gone }) {
  const names = new Map();
  const type = h("select", { id: "type" }, h("option", { value: "" }, t("events.all")), TYPES.map((one) => h("option", { value: one }, told("event", one))));
  const list = h("div");
  const state = h("p", { class: "small", role: "status" }, t("events.live"));
  let events = [];
  const draw = () => {
    const wanted = events.filter((event) => !type.value || event.type === type.value);
    show(list, wanted.length ? eventRows(wanted, gallery, names) : empty(t("events.none")));
  };
  type.addEventListener("change", draw);
  page.append(h("div", { class: "tools" }, field(t("events.type"), type)), state, list);
  const follow = follower(gallery, async (fresh) => {
    events = [...fresh.reverse(), ...events].slice(0, KEPT);
    await learnNames(gallery, fresh, names);
    draw();
  });
  await follow();
  draw();
  const timer = setInterval(() => follow().then(() => (state.textContent = t("events.live")), (error) => !gone() && show(state, failure(error))), PAUSE_MS);
  onLeave(() => clearInterval(timer));
}

/** Asks for what came since it was last asked, and hands it over; never twice at once. */
function follower(gallery, take) {
  let after = 0;
  let asking = false;
  return async () => {
    if (asking) return;
    asking = true;
    try {
      for (let more = true; more; ) {
        const answer = await ask("GET", at(gallery, "events"), { query: { after, limit: AT_ONCE } });
        more = answer.events.length === AT_ONCE;
        after = answer.next;
        if (answer.events.length) await take(answer.events);
      }
    } finally {
      asking = false;
    }
  };
}

async function learnNames(gallery, events, names) {
  const missing = [...new Set(events.map((event) => event.person).filter((id) => id && !names.has(id)))];
  await Promise.all(
    missing.slice(0, 50).map(async (id) => {
      const person = await ask("GET", at(gallery, "people", id)).catch(() => null);
      names.set(id, person?.name ?? null);
    }),
  );
}

/** The events of one person, the newest first. */
export async function personEvents(gallery, person) {
  const found = [];
  for (let after = 0; ; ) {
    const answer = await ask("GET", at(gallery, "events"), { query: { after, limit: AT_ONCE, person } });
    found.push(...answer.events.filter((event) => event.person === person));
    if (answer.events.length < AT_ONCE) return found.reverse().slice(0, 50);
    after = answer.next;
  }
}

/** Events as a table. */
export function eventRows(events, gallery, names) {
  const heads = [t("events.when"), t("events.what"), t("events.who"), t("events.details")];
  return table(heads, events.map((event) => row(event, gallery, names)), t("events.title"));
}

function row(event, gallery, names) {
  const name = event.person && names.get(event.person);
  const who = event.person && h("a", { href: link(gallery, "people", event.person) }, name ?? `${event.person.slice(0, 8)}…`);
  return [h("time", { datetime: event.at }, time(event.at)), h("span", { class: `tag ${event.type}` }, told("event", event.type)), who ?? "–", details(event)];
}

function details({ data, source }) {
  const said = [];
  if (data.similarity != null) said.push(t("events.similarity", { value: similarity(data.similarity), threshold: similarity(data.threshold) }));
  if (data.photos != null) said.push(t("people.photos", { n: data.photos }));
  if (data.refusal) said.push(...data.refusal.map(reason));
  if (source) said.push(told("source", source));
  return said.join(" · ");
}
