// An access key is asked for once; from then on the cookie stands for it.

import { logIn } from "../api.js";
import { h } from "../dom.js";
import { failure, field } from "../parts/notes.js";
import { chooseLanguage, language, LANGUAGES, t } from "../words.js";

/** The log-in; `done` is called when somebody is logged in, or another language was chosen. */
export function loginScreen(done) {
  document.title = `${t("login.title")} – Vultus`;
  const key = h("input", { id: "key", type: "password", required: true, autocomplete: "current-password", spellcheck: "false" });
  const told = h("div");
  const enter = h("button", { type: "submit", class: "main" }, t("login.enter"));
  const submit = async (event) => {
    event.preventDefault();
    enter.disabled = true;
    told.replaceChildren();
    try {
      await logIn(key.value.trim());
      await done();
    } catch (error) {
      told.append(failure(error));
      key.select();
    }
    enter.disabled = false;
  };
  queueMicrotask(() => key.focus());
  return h(
    "main",
    { class: "login" },
    h("img", { src: "/page/icon.svg", alt: "", width: "44", height: "44" }),
    h("h1", null, t("login.title")),
    h("p", null, t("login.what")),
    h("form", { onsubmit: submit }, field(t("login.key"), key, t("login.where")), told, h("div", { class: "actions" }, enter)),
    h("p", { class: "languages" }, Object.entries(LANGUAGES).map((pair) => languageButton(pair, done))),
  );
}

function languageButton([code, name], done) {
  const choose = async () => {
    await chooseLanguage(code);
    await done();
  };
  const current = code === language();
  return h("button", { type: "button", class: "plain", lang: code, "aria-pressed": String(current), onclick: choose }, name);
}
