// What happened in a gallery, as it happens.

import { ask, at } from "../api.js";
import { h, show } from "../dom.js";
import { empty, field, table } from "../parts/notes.js";
import { reason } from "../parts/reasons.js";
import { link } from "../shell.js";
import { similarity, t, time, told } from "../words.js";

const KEPT = 300;
const AGAIN_MS = 3000;
const AT_ONCE = 1000;
export const TYPES = ["recognised", "unknown", "refused", "enrolled", "changed", "merged", "unmerged", "reviewed", "erased", "error"];
const MORE_TYPES = ["appeared", "left", "revised", "message"];

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
  const take = async (fresh) => {
    await learnNames(gallery, fresh, names);
    events = [...fresh.toReversed(), ...events].slice(0, KEPT);
    if (!gone()) draw();
  };
  type.addEventListener("change", draw);
  page.append(h("div", { class: "tools" }, field(t("events.type"), type)), state, list);
  const before = await ask("GET", at(gallery, "events"), { query: { last: KEPT, limit: KEPT } });
  await take(before.events);
  if (gone()) return;
  let turn = Promise.resolve();
  const heard = (message) => (turn = turn.then(() => take([JSON.parse(message.data)])));
  const tell = (live) => show(state, t(live ? "events.live" : "events.away"));
  followed(gallery, before.next, { heard, tell, onLeave, gone });
}

/** Hear what happens after a place in the log, for as long as the screen is open. */
function followed(gallery, after, { heard, tell, onLeave, gone }) {
  let place = after;
  let stream = null;
  const note = (message) => {
    place = Number(message.lastEventId) || place;
    heard(message);
  };
  const begin = () => {
    stream = new EventSource(`${at(gallery, "events", "stream")}?after=${place || 0}`);
    stream.onopen = () => tell(true);
    stream.onerror = () => {
      tell(false);
      // The browser connects again by itself, but not where it is refused: when the log-in has ended.
      if (stream.readyState === EventSource.CLOSED) setTimeout(anew, AGAIN_MS);
    };
    [...TYPES, ...MORE_TYPES].forEach((one) => stream.addEventListener(one, note));
  };
  const anew = async () => {
    if (gone()) return;
    await ask("GET", at(gallery, "events"), { query: { after: place, limit: 1 } }).then(begin, () => setTimeout(anew, AGAIN_MS));
  };
  begin();
  onLeave(() => stream.close());
}

/** The present names of who is in events, by id. */
export async function learnNames(gallery, events, names = new Map()) {
  const missing = [...new Set(events.map((event) => event.person).filter((id) => id && !names.has(id)))];
  await Promise.all(
    missing.slice(0, 50).map(async (id) => {
      const person = await ask("GET", at(gallery, "people", id)).catch(() => null);
      names.set(id, person?.name ?? null);
    }),
  );
  return names;
}

/** The events of one person, the newest first. */
export async function personEvents(gallery, person) {
  const found = [];
  for (let after = 0; ; ) {
    const answer = await ask("GET", at(gallery, "events"), { query: { after, limit: AT_ONCE, person } });
    found.push(...answer.events);
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
  return [h("time", { datetime: event.at }, time(event.at)), h("span", { class: `tag ${event.type}` }, told("event", event.type)), who ?? "–", detailsOf(event, gallery)];
}

function detailsOf(event, gallery) {
  return event.picture ? h("div", { class: "with-picture" }, eventPicture(event, gallery), h("span", null, details(event))) : details(event);
}

/** The picture that is kept with an event. */
export function eventPicture(event, gallery) {
  return h("img", { class: "cut", loading: "lazy", src: at(gallery, "events", event.position, "picture"), alt: t("events.picture") });
}

function details({ data, source }) {
  const said = [];
  if (data.similarity != null) said.push(t("events.similarity", { value: similarity(data.similarity), threshold: similarity(data.threshold) }));
  if (data.photos != null) said.push(t("people.photos", { n: data.photos }));
  if (data.refusal) said.push(...data.refusal.map((text) => reason(text)));
  if (source) said.push(told("source", source));
  return said.join(" · ");
}
