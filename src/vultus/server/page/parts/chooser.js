// Photos chosen: by the file dialog, dropped, or pasted.

import { h } from "../dom.js";
import { icon } from "../icons.js";
import { t } from "../words.js";

/** A place to put photos; `take` is called with a list of files. */
export function chooser({ take, several = false, label, onLeave }) {
  const input = h("input", {
    type: "file",
    accept: "image/*",
    multiple: several,
    class: "unseen-input",
    onchange: () => (given(input.files), (input.value = "")),
  });
  const given = (files) => {
    const photos = [...files].filter((file) => file.type === "" || file.type.startsWith("image/"));
    if (photos.length) take(several ? photos : photos.slice(0, 1));
  };
  const place = h(
    "label",
    { class: "chooser" },
    input,
    icon("photo"),
    h("strong", null, label ?? t(several ? "photo.choose_several" : "photo.choose")),
    h("span", { class: "small" }, t("photo.or_drop")),
  );
  over(place, given);
  if (onLeave) pasted(given, onLeave);
  return place;
}

function over(place, given) {
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
}

function pasted(given, onLeave) {
  const paste = (event) => event.clipboardData?.files.length && given(event.clipboardData.files);
  document.addEventListener("paste", paste);
  onLeave(() => document.removeEventListener("paste", paste));
}
