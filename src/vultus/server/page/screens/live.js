// What the monitors of a gallery see: pictures, who is there, how each monitor is.

import { ask, at, may } from "../api.js";
import { h, show } from "../dom.js";
import { askFirst } from "../parts/ask_first.js";
import { WatchFields } from "../parts/monitor_form.js";
import { button, empty, field, inEnglish, say, working } from "../parts/notes.js";
import { box } from "../parts/picture.js";
import { reason } from "../parts/reasons.js";
import { link } from "../shell.js";
import { clock, number, similarity, t, told } from "../words.js";
import { eventPicture, learnNames } from "./events.js";

const REST_MS = 120;
const PICTURES = 6;
const AGAIN_MS = 3000;
const POLL_MS = 3000;
const RUNS = ["starting", "running", "reconnecting", "failed"];
const KINDS = { recognised: "known", unknown: "unknown", refused: "refused", undecided: "unknown" };

/** Show the screen; it follows the monitors until it is left. */
export async function openLive(page, { gallery, onLeave, gone }) {
  const list = h("ul", { class: "grid monitors-grid" });
  let ends = [];
  const end = () => ends.splice(0).forEach((one) => one());
  onLeave(end);
  const draw = async () => {
    const { monitors } = await ask("GET", at(gallery, "monitors"));
    if (gone()) return;
    end();
    const tiles = monitors.map((monitor) => new Tile(gallery, monitor, draw));
    ends = tiles.map((tile) => () => tile.close());
    show(list, tiles.map((tile) => tile.element), !tiles.length && h("li", { class: "whole" }, empty(t("live.none"))));
  };
  page.append(h("p", null, t("live.what")), list);
  await draw();
  if (!gone() && may("admin")) page.append(newMonitor(gallery, draw));
}

/** One monitor: its picture, who is there, how it is. */
class Tile {
  constructor(gallery, monitor, redraw) {
    Object.assign(this, { gallery, monitor, redraw, closed: false, socket: null });
    this.image = h("img", { alt: t("live.picture", { name: monitor.name }), hidden: true });
    this.layer = h("div", { class: "layer" });
    this.dark = h("p", { class: "no-picture" });
    this.state = h("p", { class: "monitor-state" });
    this.why = h("div", { class: "small" });
    this.people = h("div");
    this.facts = h("p", { class: "small figures-line" });
    this.pictures = h("ul", { class: "snapshots" });
    this.change = h("div");
    this.buttons = h("div", { class: "actions" });
    this.failed = h("div");
    const head = h("header", null, h("h2", null, monitor.name), this.state);
    const seen = may("operator") && h("div", { class: "picture" }, this.image, this.dark, this.layer);
    this.element = h("li", { class: "monitor" }, head, this.why, seen, this.people, this.pictures, this.facts, this.buttons, this.failed, this.change);
    this.darken();
    this.tell(monitor);
    if (may("operator")) this.look();
    else this.poll();
  }

  close() {
    this.closed = true;
    this.socket?.close();
    URL.revokeObjectURL(this.image.src);
  }

  path(...steps) {
    return at(this.gallery, "monitors", this.monitor.id, ...steps);
  }

  /** How it is; buttons are drawn anew only where others are meant, so that the focus stays. */
  tell(monitor) {
    const { state } = (this.monitor = monitor);
    show(this.state, h("span", { class: `tag ${state.name}` }, t(`live.state_${state.name}`)), state.since && t("live.since", { time: clock(state.since) }));
    const tried = state.next_try_at && t("live.next_try", { time: clock(state.next_try_at), n: state.tries });
    show(this.why, state.reason && h("div", { class: "notice" }, trouble(state), tried && h("p", null, tried)));
    const lost = state.dropped + state.reconnects;
    const parts = [ state.name === "running" && t("live.fps", { value: number(state.fps, 1) }), t("live.frames", { n: state.frames }), lost > 0 && t("live.lost", { dropped: number(state.dropped), again: number(state.reconnects) })];
    const limit = monitor.threshold ?? state.threshold;
    parts.push(monitor.threshold === null && t("live.rate", { n: number(Math.round(1 / monitor.fpir)) }), limit !== null && t("live.limit", { value: similarity(limit) }));
    show(this.facts, h("span", { translate: "no" }, monitor.address), parts.filter(Boolean).map((part) => ` · ${part}`));
    this.remember(state.events);
    const runs = RUNS.includes(state.name);
    if (this.ran !== runs) {
      this.ran = runs;
      show(this.buttons, may("operator") && this.act(runs ? "stop" : "start"), may("admin") && working(t("live.change"), () => this.edit(), this.failed), may("admin") && working(t("live.delete"), () => this.remove(), this.failed, { class: "plain" }));
    }
    if (!runs) this.darken();
  }

  /** The pictures of who came last, where the monitor keeps them; asked for when there are more. */
  async remember(events) {
    const count = (events.recognised ?? 0) + (events.unknown ?? 0);
    if (!this.monitor.snapshots || !may("operator") || this.counted === count) return;
    this.counted = count;
    const query = { last: 300, limit: 300, types: ["recognised", "unknown"] };
    const answer = await ask("GET", at(this.gallery, "events"), { query }).catch(() => ({ events: [] }));
    const mine = answer.events.filter((event) => event.picture && event.source === this.monitor.name).slice(-PICTURES).reverse();
    const names = await learnNames(this.gallery, mine);
    if (!this.closed) show(this.pictures, mine.map((event) => h("li", null, h("figure", null, eventPicture(event, this.gallery), h("figcaption", { class: "small" }, `${names.get(event.person) ?? t("live.unknown")} ${clock(event.at)}`)))));
  }

  /** What can be changed of it, as it is now: who changed it meanwhile is not overwritten. */
  async edit() {
    if (this.change.childElementCount) return show(this.change);
    const known = await ask("GET", this.path());
    const id = `change-${this.monitor.id}`;
    const address = h("input", { id: `${id}-address`, maxlength: "2000", autocomplete: "off", spellcheck: "false" });
    const fields = new WatchFields(id, known);
    const failed = h("div");
    const save = async () => {
      const json = { ...fields.values, ...(address.value ? { address: address.value } : {}) };
      await ask("PATCH", this.path(), { json, match: known.etag });
      await this.redraw();
      say(t("live.was_changed", { name: known.name }));
    };
    show(this.change, h("div", { class: "fields" }, field(t("live.address"), address, t("live.address_kept")), fields.element), h("div", { class: "actions" }, working(t("live.save"), save, failed, { class: "main" }), button(t("cancel"), () => show(this.change), { class: "plain" })), failed);
    address.focus();
  }

  act(what) {
    const act = async () => this.tell(await ask("POST", this.path(what)));
    return working(t(`live.${what}`), act, this.failed, { class: what === "start" ? "main" : "" });
  }

  async remove() {
    const yes = await askFirst({ title: t("live.delete_title", { name: this.monitor.name }), text: t("live.delete_text"), yes: t("live.delete"), danger: true });
    if (!yes) return;
    await ask("DELETE", this.path());
    await this.redraw();
    say(t("live.deleted", { name: this.monitor.name }));
  }

  /** Look on: one frame is under way at a time, and the next is the newest. */
  look() {
    const url = new URL(this.path("live"), location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = (this.socket = new WebSocket(url));
    socket.binaryType = "blob";
    socket.onopen = () => socket.send("");
    socket.onmessage = async ({ data }) => {
      if (data instanceof Blob) return this.picture(data);
      const { monitor, present, picture } = JSON.parse(data);
      this.tell(monitor);
      this.present = present;
      if (picture) return;
      this.who(present);
      if (present.size_hw === null) this.darken();
      this.next();
    };
    socket.onclose = () => this.closed || setTimeout(() => this.again(), AGAIN_MS);
  }

  next() {
    setTimeout(() => this.socket.readyState === WebSocket.OPEN && this.socket.send(""), REST_MS);
  }

  /** Nobody answers: asked once by a way that tells if the log-in has ended. */
  async again() {
    if (this.closed) return;
    await ask("GET", this.path()).then((monitor) => (this.tell(monitor), this.look()), () => setTimeout(() => this.again(), AGAIN_MS));
  }

  async poll() {
    if (this.closed) return;
    await ask("GET", this.path()).then((monitor) => this.tell(monitor), () => {});
    setTimeout(() => this.poll(), POLL_MS);
  }

  async picture(blob) {
    const before = this.image.src;
    this.image.src = URL.createObjectURL(blob);
    await this.image.decode().catch(() => {});
    if (before) URL.revokeObjectURL(before);
    if (this.closed) return URL.revokeObjectURL(this.image.src);
    this.image.hidden = false;
    show(this.dark);
    this.who(this.present);
    this.next();
  }

  darken() {
    this.image.hidden = true;
    show(this.layer);
    show(this.people);
    show(this.dark, t(`live.dark_${RUNS.includes(this.monitor.state.name) ? "soon" : "off"}`));
  }

  /** Boxes over the picture, and who is here since when. */
  who({ size_hw, tracks, people }) {
    if (size_hw) {
      const size = { width: size_hw[1], height: size_hw[0] };
      show(this.layer, tracks.map((track) => box({ ...track, kind: KINDS[track.called], label: label(track) }, size)));
    }
    const strangers = tracks.filter((track) => track.called !== "recognised");
    const rows = [...people.map((one) => this.person(one)), ...strangers.map(stranger)];
    show(this.people, rows.length ? h("ul", { class: "here" }, rows) : size_hw && h("p", { class: "small" }, t("live.nobody")));
  }

  person(one) {
    const values = { value: similarity(one.similarity), threshold: similarity(one.threshold) };
    const away = !one.in_view && t("live.away", { time: clock(one.last) });
    return h("li", null, h("a", { href: link(this.gallery, "people", one.person) }, one.name), h("span", { class: "small" }, [t("live.since", { time: clock(one.since) }), away, t("events.similarity", values)].filter(Boolean).join(" · ")));
  }
}

/** Why it does not go on: in the reader's words where the code is known, the service's own beside. */
function trouble({ code, reason: text }) {
  const family = code?.startsWith("source-") ? "live" : "problem";
  const words = code && told(family, code);
  return words === code || !code ? [h("p", null, reason(text))] : [h("p", null, words), inEnglish(text, { class: "small" })];
}

function label(track) {
  return track.called === "recognised" ? `${track.name} ${similarity(track.similarity)}` : t(`live.${track.called}`);
}

function stranger(track) {
  const why = track.reasons.map((one) => reason(one)).join("; ");
  return h("li", null, h("span", null, t(`live.${track.called}`)), h("span", { class: "small" }, [t("live.since", { time: clock(track.since) }), why].filter(Boolean).join(" · ")));
}

/** The form for a new monitor. */
function newMonitor(gallery, draw) {
  const name = h("input", { id: "monitor-name", maxlength: "100", autocomplete: "off" });
  const address = h("input", { id: "monitor-address", maxlength: "2000", autocomplete: "off", spellcheck: "false" });
  const fields = new WatchFields("monitor");
  const failed = h("div");
  const make = async () => {
    const json = { name: name.value, address: address.value, ...fields.values };
    const made = await ask("POST", at(gallery, "monitors"), { json });
    name.value = address.value = "";
    await draw();
    say(t("live.made", { name: made.name }));
  };
  return h(
    "details",
    { class: "more" },
    h("summary", null, t("live.new")),
    h("div", { class: "fields" }, field(t("live.name"), name, t("live.name_hint")), field(t("live.address"), address, t("live.address_hint")), fields.element),
    h("div", { class: "actions" }, working(t("live.make"), make, failed, { class: "main" })),
    failed,
  );
}
