// Where the events of a gallery are sent, and whether that works.

import { ask, at } from "../api.js";
import { h, show } from "../dom.js";
import { askFirst } from "../parts/ask_first.js";
import { field, say, table, working } from "../parts/notes.js";
import { t, time } from "../words.js";

/** A section with the webhooks of a gallery. */
export async function webhooks(gallery) {
  const url = h("input", { id: "url", type: "url", autocomplete: "off", spellcheck: "false" });
  const [list, told, made] = [h("div"), h("div"), h("div")];
  const draw = async () => {
    const answer = await ask("GET", at(gallery, "webhooks"));
    show(list, answer.webhooks.length ? hookTable(answer.webhooks, gallery, told, draw) : h("p", { class: "small" }, t("webhooks.none")));
  };
  const make = async () => {
    const hook = await ask("POST", at(gallery, "webhooks"), { json: { url: url.value.trim() } });
    show(made, h("div", { class: "notice" }, h("p", null, t("webhooks.secret")), h("p", null, h("code", { class: "secret" }, hook.secret))));
    await draw();
  };
  await draw();
  return h("section", null, h("h2", null, t("webhooks.title")), h("p", null, t("webhooks.what")), list, h("div", { class: "tools" }, field(t("webhooks.url"), url), working(t("webhooks.make"), make, told, { class: "main" })), told, made);
}

function hookTable(hooks, gallery, told, draw) {
  const heads = [t("webhooks.url"), t("webhooks.state"), t("settings.made"), ""];
  return table(heads, hooks.map((hook) => hookRow(hook, gallery, told, draw)), t("webhooks.title"));
}

function hookRow(hook, gallery, told, draw) {
  const path = at(gallery, "webhooks", hook.id);
  const test = async () => {
    const answer = await ask("POST", `${path}/test`);
    show(told, h("p", { class: answer.error ? "warning" : "notice" }, answer.error ?? t("webhooks.answered", { status: String(answer.status), ms: answer.ms })));
    await draw();
  };
  const enable = async () => {
    await ask("POST", `${path}/enable`);
    await draw();
  };
  const remove = async () => {
    if (!(await askFirst({ title: t("webhooks.remove_title"), text: hook.url, yes: t("webhooks.remove"), danger: true }))) return;
    await ask("DELETE", path);
    say(t("webhooks.removed"));
    await draw();
  };
  const actions = [
    working(t("webhooks.test"), test, told, { class: "plain" }),
    hook.disabled && working(t("webhooks.enable"), enable, told, { class: "plain" }),
    working(t("webhooks.remove"), remove, told, { class: "plain" }),
  ];
  return [h("span", null, hook.url), state(hook), time(hook.made_at), actions];
}

function state(hook) {
  if (hook.disabled) return h("span", { class: "tag failed" }, t("webhooks.disabled"));
  return hook.failures ? h("span", { class: "tag unknown" }, t("webhooks.failing", { n: hook.failures })) : t("webhooks.works");
}
