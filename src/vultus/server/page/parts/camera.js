// The camera: single photos, and faces named live over a WebSocket.

import { ask, at } from "../api.js";
import { h, show } from "../dom.js";
import { t } from "../words.js";
import { button, failure, inEnglish } from "./notes.js";
import { box, fitLabels } from "./picture.js";

const LONGEST_PX = 960;
const JPEG_QUALITY = 0.85;
const REST_MS = 100;

/** A camera that is seen on the page, the one of an `id` or the browser's own choice. */
export class Camera {
  constructor(id = "") {
    this.id = id;
    this.video = h("video", { autoplay: true, playsinline: true, "aria-label": t("camera.picture") });
    this.video.muted = true;
    this.stream = null;
    this.closed = false;
  }

  async open() {
    if (!navigator.mediaDevices) throw new Error(t("camera.insecure"));
    const which = this.id ? { deviceId: { exact: this.id } } : {};
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 720, ...which }, audio: false });
    } catch (error) {
      throw new Error(t(error.name === "NotAllowedError" ? "camera.refused" : "camera.missing"));
    }
    if (this.closed) return this.close();
    this.video.srcObject = this.stream;
    await this.video.play();
  }

  /** What is seen now, as a JPEG no longer than `longest` pixels; null before anything is. */
  async frame(longest) {
    const { videoWidth, videoHeight } = this.video;
    if (!videoWidth) return null;
    const factor = Math.min(1, longest / Math.max(videoWidth, videoHeight));
    const canvas = h("canvas", { width: Math.round(videoWidth * factor), height: Math.round(videoHeight * factor) });
    canvas.getContext("2d").drawImage(this.video, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", JPEG_QUALITY));
    return blob && { blob, width: canvas.width, height: canvas.height };
  }

  close() {
    this.closed = true;
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
  }
}

/**
 * Faces named as the camera sees them.
 *
 * One frame is under way at a time, and the next is the newest: what was seen meanwhile is let go.
 */
export function cameraPanel({ gallery, fpir, label, kind }) {
  const camera = new Camera();
  const layer = h("div", { class: "layer" });
  const state = h("div", { class: "small", role: "status" }, t("camera.starting"));
  const close = () => (camera.close(), socket?.close());
  const element = h(
    "section",
    { class: "camera" },
    h("div", { class: "picture" }, camera.video, layer),
    state,
    h("div", { class: "actions" }, button(t("camera.stop"), () => (close(), element.remove()))),
  );
  let socket = null;
  const start = async () => {
    await camera.open();
    socket = new WebSocket(address(gallery, fpir()));
    socket.onclose = (event) => camera.closed || closed(state, event, gallery);
    socket.onopen = () => send(camera, socket);
    socket.onmessage = async ({ data }) => {
      const told = JSON.parse(data);
      draw(layer, state, told, { label, kind });
      await new Promise((done) => setTimeout(done, REST_MS));
      await send(camera, socket);
    };
  };
  start().catch((error) => show(state, failure(error)));
  return { element, close };
}

function closed(state, event, gallery) {
  show(state, t("camera.closed"), inEnglish(event.reason));
  // Where the log-in has ended, this asks for another.
  ask("GET", at(gallery)).catch(() => {});
}

function address(gallery, fpir) {
  const url = new URL(at(gallery, "live"), location.href);
  url.protocol = url.protocol.replace("http", "ws");
  url.searchParams.set("fpir", fpir);
  return url;
}

async function send(camera, socket) {
  let frame = null;
  while (!camera.closed && frame === null) {
    frame = await camera.frame(LONGEST_PX);
    if (frame === null) await new Promise((done) => setTimeout(done, 50));
  }
  if (frame !== null && socket.readyState === WebSocket.OPEN) socket.send(frame.blob);
}

function draw(layer, state, told, { label, kind }) {
  if (told.problem) return show(state, t("photo.not_judged"), inEnglish(told.problem));
  const size = { width: told.size_hw[1], height: told.size_hw[0] };
  show(layer, told.faces.map((face) => box({ ...face, kind: kind(face), label: label(face) }, size)));
  fitLabels(layer);
  show(state, told.faces.length ? told.faces.map(label).join(", ") : t("identify.nobody"));
}

/** A button that takes one photo by the camera and hands it over. */
export function snapshotButton({ take, onLeave }) {
  const place = h("div");
  let camera = null;
  const close = () => {
    camera?.close();
    camera = null;
    show(place);
  };
  const open = async () => {
    close();
    camera = new Camera();
    const snap = async () => {
      const frame = await camera.frame(Infinity);
      if (frame) take([frame.blob]);
    };
    show(place, h("div", { class: "picture small-camera" }, camera.video), h("div", { class: "actions" }, button(t("camera.snap"), snap, { class: "main" }), button(t("camera.stop"), close)));
    await camera.open().catch((error) => show(place, failure(error)));
  };
  onLeave(close);
  return h("div", { class: "snapshot" }, button(t("camera.use"), open), place);
}
