// A question before something that cannot be taken back.

import { h } from "../dom.js";
import { t } from "../words.js";
import { button } from "./notes.js";

/** Whether the user says yes; `body` are further elements. */
export function askFirst({ title, text, yes, body = [], danger = false }) {
  return new Promise((answered) => {
    const close = (said) => {
      dialog.close();
      dialog.remove();
      answered(said);
    };
    const dialog = h(
      "dialog",
      { "aria-labelledby": "asked", oncancel: (event) => (event.preventDefault(), close(false)) },
      h("h2", { id: "asked" }, title),
      text && h("p", null, text),
      body,
      h(
        "div",
        { class: "actions" },
        button(t("cancel"), () => close(false), { class: "plain" }),
        button(yes, () => close(true), { class: danger ? "danger" : "main" }),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}
