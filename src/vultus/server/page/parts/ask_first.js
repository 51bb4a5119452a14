// A question before something is done: to be sure, or to be told more.

import { h } from "../dom.js";
import { t } from "../words.js";
import { button, working } from "./notes.js";

/**
 * Whether the user says yes; `body` are further elements.
 *
 * With an `action` it is done while the dialogue stays open, which tells what went wrong.
 */
export function askFirst({ title, text, yes, body = [], danger = false, action = async () => {} }) {
  return new Promise((answered) => {
    const close = (said) => {
      dialog.close();
      dialog.remove();
      answered(said);
    };
    const told = h("div");
    const agree = async () => {
      await action();
      close(true);
    };
    const dialog = h(
      "dialog",
      { "aria-labelledby": "asked", oncancel: (event) => (event.preventDefault(), close(false)) },
      h("h2", { id: "asked" }, title),
      text && h("p", null, text),
      body,
      told,
      h(
        "div",
        { class: "actions" },
        button(t("cancel"), () => close(false), { class: "plain" }),
        working(yes, agree, told, { class: danger ? "danger" : "main" }),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}
