// A session before the camera: the movement that is asked now, and what came of it.

import { ask, photoForm } from "../api.js";
import { h, s, show } from "../dom.js";
import { Camera } from "../parts/camera.js";
import { button, failure, field, inEnglish } from "../parts/notes.js";
import { t, told } from "../words.js";
import { Decision } from "./liveness_decision.js";

const SESSIONS = "/v1/liveness/sessions";
const LONGEST_PX = 640;
// Eight frames a second leave a key a part of the requests that it may make in a minute.
const EVERY_MS = 125;
const STALLED_MS = 2000;
const OVER = ["accepted", "rejected"];

const HEAD = "M24 12c7 0 10 5 10 11 0 8-5 14-10 14s-10-6-10-14c0-6 3-11 10-11z";
const FACE = "M20 22h.01M28 22h.01M20.500 30h7";
// As in a mirror, and so is the picture: the person's left is on the left.
const SIGNS = {
  ahead: "",
  rest: "",
  lit: "M24 3v4M8 8l3 3M40 8l-3 3M3 24h4M41 24h4",
  hold: "M4 10V4h6M38 4h6v6M44 38v6h-6M10 44H4v-6",
  turn_left: "M10 24H2M6 19l-4.500 5 4.500 5",
  turn_right: "M38 24h8M42 19l4.500 5-4.500 5",
  nod: "M24 40v7M19.500 43l4.500 4.500 4.500-4.500",
  look_up: "M24 8V1M19.500 5L24 .5 28.500 5",
  tilt_left: "M24 5C16 5 9 9 6 17M3 9l2.500 9 8.500-4",
  tilt_right: "M24 5c8 0 15 4 18 12M45 9l-2.500 9-8.500-4",
  closer: "M11 11L3 3M3 8.500V3h5.500M37 11l8-8M45 8.500V3h-5.500M11 37l-8 8M3 39.500V45h5.500M37 37l8 8M45 39.500V45h-5.500",
  accepted: "M38 38l3.500 4L47 34",
  rejected: "M39 35l7 8M46 35l-7 8",
};

/** Show the screen; the camera is on only while a session goes on. */
export async function openLiveness(page, { gallery, onLeave }) {
  const { liveness_lights: lights } = await ask("GET", "/v1/version");
  const panel = new Panel(gallery, lights);
  onLeave(() => panel.leave());
  page.append(h("p", null, t("liveness.what")), h("p", { class: "notice" }, t("liveness.no_proof")), panel.element);
}

class Panel {
  constructor(gallery, lights) {
    this.camera = null;
    // Fills the screen behind the session while the service asks for a colour.
    this.light = h("div", { class: "screen-light", "aria-hidden": "true" });
    this.gallery = gallery;
    this.decision = null;
    // The token holds for one use, so that is asked before the session.
    this.use = h("select", { id: "session-use", onchange: () => this.stop() }, ["identify", "compare"].map((one) => h("option", { value: one }, t(`liveness.use_${one}`))));
    // Hidden meanwhile: on a phone the picture must be seen beside what is asked.
    this.purpose = h("div", null, field(t("liveness.use"), this.use), lights && this.warning());
    this.after = h("div", { class: "result", "aria-live": "polite" });
    this.asked = h("div", { class: "prompt", "aria-live": "assertive", "aria-atomic": "true" });
    this.bar = h("progress", { "aria-label": t("liveness.progress"), max: "1", value: 0 });
    this.count = h("span", { class: "small" });
    this.going = h("p", { class: "progress", hidden: true }, this.bar, this.count);
    this.failed = h("div");
    // One button for all of it: who works by keyboard stays where they are.
    this.button = button(t("liveness.begin"), () => (this.camera ? this.stop() : this.begin()), { class: "main" });
    this.cameras = h("select", { id: "which-camera", onchange: () => this.stop() });
    this.choice = h("div", { hidden: true }, field(t("liveness.camera"), this.cameras));
    this.picture = h("div", { class: "picture mirrored" });
    const beside = h("div", null, this.asked, this.going, this.failed, this.purpose, h("div", { class: "actions" }, this.button), this.choice);
    this.element = h("div", null, this.light, h("section", { class: "session" }, beside, this.picture), this.after);
    this.say("ahead", t("liveness.before"));
    this.button.disabled = this.allowed ? !this.allowed.checked : false;
  }

  /** What colours do, before they come; who asks for less motion must allow them first. */
  warning() {
    const words = h("p", { class: "notice" }, t("liveness.lights_what"));
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) return words;
    this.allowed = h("input", { type: "checkbox", id: "allow-lights", onchange: () => (this.button.disabled = !this.allowed.checked) });
    return h("div", null, words, h("div", { class: "field" }, h("label", { for: "allow-lights" }, this.allowed, " ", t("liveness.lights_allow"))));
  }

  async begin() {
    const camera = (this.camera = new Camera(this.cameras.value));
    show(this.failed);
    this.drop();
    this.purpose.hidden = true;
    show(this.picture, camera.video);
    this.button.textContent = t("liveness.stop");
    this.say("ahead", t("camera.starting"));
    try {
      await camera.open();
      // On a phone what is asked and the picture must be seen at once.
      this.element.scrollIntoView({ block: "nearest" });
      await this.found();
      const end = camera.closed ? null : await this.follow(camera);
      if (end) this.judged(end);
    } catch (error) {
      if (!camera.closed) this.say("ahead", t("liveness.before"));
      if (!camera.closed) show(this.failed, failure(error));
    }
    if (!camera.closed) this.rest(t("liveness.again"));
  }

  /** Send frames, each after the answer to the one before; gives the end, or nothing where it was stopped. */
  async follow(camera) {
    const use = this.use.value;
    const begun = await ask("POST", SESSIONS, { query: use === "identify" ? { gallery: this.gallery } : {} });
    let now = begun;
    let last = null;
    while (!camera.closed && !OVER.includes(now.state)) {
      this.tell(now);
      const frame = await newest(camera);
      if (frame === null) return null;
      last = frame.blob;
      const sent = performance.now();
      now = await ask("POST", `${SESSIONS}/${begun.id}/frames`, { form: photoForm({ photo: frame.blob }), query: { nonce: begun.nonce, sent_ms: sent } });
      await pause(sent + EVERY_MS - performance.now());
    }
    return camera.closed ? null : { ...now, use, last };
  }

  tell({ state, asked, light, done, movements, part }) {
    const sign = asked ?? { holding: "hold", resting: "rest", lit: "lit" }[state] ?? "ahead";
    this.say(sign, t(`liveness.ask_${sign}`));
    this.shine(light);
    this.going.hidden = false;
    this.bar.max = movements;
    this.bar.value = Math.min(movements, done + part);
    show(this.count, t("liveness.made", { done, of: movements }));
  }

  /** Fill the screen with a colour, or with none. */
  shine(light) {
    if (this.light.dataset.light === (light ?? undefined)) return; // it is told with every frame
    this.element.classList.toggle("lit", Boolean(light));
    if (light) this.light.dataset.light = light;
    else delete this.light.dataset.light;
  }

  judged({ state, reasons, token, use, last }) {
    this.going.hidden = true;
    const why = reasons.map((one) => [h("p", null, told("session_end", one.code)), movements(one), inEnglish(one.text, { class: "small" })]);
    if (state === "accepted") {
      this.decision = new Decision({ token, gallery: this.gallery, photo: last, use });
      show(this.after, this.decision.element);
    }
    this.say(state, t(`liveness.${state}`), state === "accepted" ? h("p", null, t("liveness.accepted_means")) : why);
  }

  /** What is asked, in words and as a sign; it is drawn anew only where it is another. */
  say(sign, words, ...more) {
    if (this.asked.dataset.sign === sign && this.said === words) return;
    this.said = words;
    this.asked.dataset.sign = sign;
    show(this.asked, drawn(sign), h("p", { class: "prompt-words" }, words), more);
  }

  /** Which cameras there are, where there is a choice; browsers tell once one was allowed. */
  async found() {
    const chosen = this.camera?.id;
    const all = (await navigator.mediaDevices.enumerateDevices()).filter((one) => one.kind === "videoinput");
    show(this.cameras, all.map((one, place) => h("option", { value: one.deviceId }, one.label || t("liveness.camera_n", { n: place + 1 }))));
    if (chosen) this.cameras.value = chosen;
    this.choice.hidden = all.length < 2;
  }

  drop() {
    this.decision?.close();
    this.decision = null;
    show(this.after);
  }

  leave() {
    this.stop();
    this.drop();
  }

  stop() {
    if (!this.camera) return;
    this.say("ahead", t("liveness.before"));
    this.rest(t("liveness.begin"));
  }

  rest(words) {
    this.camera.close();
    this.camera = null;
    this.shine(null);
    this.going.hidden = true;
    this.purpose.hidden = false;
    this.button.textContent = words;
    show(this.picture);
  }
}

/** Which movement was asked and which was made, where it is about them. */
function movements({ asked, made }) {
  const said = [asked && t("liveness.was_asked", { movement: told("movement", asked) }), made && t("liveness.was_made", { movement: told("movement", made) })];
  return (asked || made) && h("p", null, said.filter(Boolean).join(" "));
}

function drawn(sign) {
  const head = s("g", { class: "head" }, s("path", { d: HEAD }), s("path", { d: FACE }));
  return s("svg", { class: "sign", viewBox: "0 0 48 48", "aria-hidden": "true" }, head, s("path", { class: "arrow", d: SIGNS[sign] }));
}

/** The camera's next picture: one that was sent before would look like a film that stands still. */
async function newest(camera) {
  const { video } = camera;
  if (video.requestVideoFrameCallback) {
    await Promise.race([new Promise((done) => video.requestVideoFrameCallback(done)), pause(STALLED_MS)]);
  }
  while (!camera.closed) {
    const frame = await camera.frame(LONGEST_PX);
    if (frame) return camera.closed ? null : frame;
    await pause(50);
  }
  return null;
}

function pause(ms) {
  return new Promise((done) => setTimeout(done, Math.max(0, ms)));
}
