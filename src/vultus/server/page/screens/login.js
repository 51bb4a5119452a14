// An access key is asked for once; from then on the cookie stands for it.

import { logIn, logOut } from "../api.js";
import { h } from "../dom.js";
import { button, failure, field } from "../parts/notes.js";
import { chooseLanguage, language, LANGUAGES, t } from "../words.js";

/** The log-in; `done` is called when somebody is logged in, or another language was chosen. */
export function loginScreen(done) {
  document.title = `${t("login.title")} – Vultus`;
  const form = keyForm(done);
  queueMicrotask(() => form.key.focus());
  return h(
    "main",
    { class: "login" },
    h("img", { src: "/page/icon.svg", alt: "", width: "44", height: "44" }),
    h("h1", null, t("login.title")),
    h("p", null, t("login.what")),
    form.element,
    h("p", { class: "languages" }, Object.entries(LANGUAGES).map((pair) => languageButton(pair, done))),
  );
}

/**
 * Ask for a key over the screen, which stays as it is below; what is below cannot be read meanwhile.
 *
 * Ends when somebody is logged in, or left.
 */
export function logInAgain() {
  return new Promise((done) => {
    const end = () => {
      dialog.close();
      dialog.remove();
      done();
    };
    const leave = () => logOut().catch(() => {}).then(end);
    const form = keyForm(async () => end(), button(t("login.leave"), leave, { class: "plain" }));
    const dialog = h(
      "dialog",
      { class: "again", "aria-labelledby": "again", oncancel: (event) => event.preventDefault() },
      h("h2", { id: "again" }, t("login.ended")),
      h("p", null, t("login.again")),
      form.element,
    );
    document.body.append(dialog);
    dialog.showModal();
    form.key.focus();
  });
}

function keyForm(done, more) {
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
  return { key, element: h("form", { onsubmit: submit }, field(t("login.key"), key, t("login.where")), told, h("div", { class: "actions" }, more, enter)) };
}

function languageButton([code, name], done) {
  const choose = async () => {
    await chooseLanguage(code);
    await done();
  };
  const current = code === language();
  return h("button", { type: "button", class: "plain", lang: code, "aria-pressed": String(current), onclick: choose }, name);
}
