// Photos and files chosen: by the file dialog, dropped, or pasted.

import { h, show } from "../dom.js";
import { icon } from "../icons.js";
import { t } from "../words.js";
import { failure } from "./notes.js";

/**
 * A place to put photos; `take` is called with a list of files.
 *
 * What is pasted anywhere on the screen comes here until the screen is left (`onLeave`), while
 * `pastes` says so.
 */
export function chooser({ take, several = false, label, onLeave, pastes = () => true }) {
  const told = h("div", { class: "whole" });
  const isPhoto = (file) => file.type === "" || file.type.startsWith("image/");
  const given = (files) => {
    const photos = [...files].filter(isPhoto);
    const others = files.length - photos.length;
    show(told, others > 0 && failure(new Error(t("photo.not_photos", { n: others }))));
    if (photos.length) take(several ? photos : photos.slice(0, 1));
  };
  const words = { label: label ?? t(several ? "photo.choose_several" : "photo.choose"), hint: t("photo.or_drop") };
  const place = dropPlace({ given, several, accept: "image/*", ...words });
  if (onLeave) pasted((files) => pastes() && given(files), onLeave);
  return h("div", { class: "choosing" }, place, told);
}

/** A place to put one file of another kind; `chosen` gives it, or null. */
export function fileChooser({ id, accept, label, take = () => {} }) {
  let file = null;
  const name = h("bdi", { class: "file-name", role: "status" });
  const given = ([one]) => {
    if (!one) return;
    file = one;
    show(name, one.name);
    take(one);
  };
  const place = dropPlace({ given, accept, label, hint: t("file.or_drop"), id });
  place.append(name);
  return { element: place, chosen: () => file };
}

function dropPlace({ given, several = false, accept, label, hint, id }) {
  const input = h("input", {
    id,
    type: "file",
    accept,
    multiple: several,
    class: "unseen-input",
    onchange: () => (given(input.files), (input.value = "")),
  });
  const place = h("label", { class: "chooser" }, input, icon("photo"), h("strong", null, label), h("span", { class: "small" }, hint));
  const lit = (on) => (event) => {
    event.preventDefault();
    place.classList.toggle("over", on);
  };
  place.addEventListener("dragover", lit(true));
  place.addEventListener("dragleave", lit(false));
  place.addEventListener("drop", (event) => {
    lit(false)(event);
    given(event.dataTransfer.files);
  });
  return place;
}

function pasted(given, onLeave) {
  const paste = (event) => event.clipboardData?.files.length && given(event.clipboardData.files);
  document.addEventListener("paste", paste);
  onLeave(() => document.removeEventListener("paste", paste));
}
