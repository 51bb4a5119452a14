// Where the events of a gallery are sent, and whether that works.

import { ask, at } from "../../api.js";
import { h, show } from "../../dom.js";
import { askFirst } from "../../parts/ask_first.js";
import { field, inEnglish, named, say, table, working } from "../../parts/notes.js";
import { number, t, time, told } from "../../words.js";
import { TYPES } from "../events.js";

const SHOWN = 50;

/** A section with the webhooks of a gallery. */
export async function webhooks(gallery) {
  const url = h("input", { id: "url", type: "url", autocomplete: "off", spellcheck: "false" });
  const names = h("input", { id: "hook-names", type: "checkbox" });
  const types = h("select", { id: "hook-types", multiple: true, size: "4" }, TYPES.map((one) => h("option", { value: one }, t(`event.${one}`))));
  const [list, told, made] = [h("div"), h("div"), h("div")];
  const draw = async () => {
    const answer = await ask("GET", at(gallery, "webhooks"));
    show(list, answer.webhooks.length ? hookTable(answer.webhooks, gallery, told, draw) : h("p", { class: "small" }, t("webhooks.none")));
  };
  const make = async () => {
    const hook = await ask("POST", at(gallery, "webhooks"), { json: wanted(url, names, types) });
    show(made, h("div", { class: "notice" }, h("p", null, t("webhooks.secret")), h("p", null, h("code", { class: "secret" }, hook.secret))));
    await draw();
  };
  await draw();
  return h("section", null, h("h2", null, t("webhooks.title")), h("p", null, t("webhooks.what")), list, told, h("div", { class: "fields" }, field(t("webhooks.url"), url), field(t("webhooks.types"), types, t("webhooks.types_hint")), field(t("webhooks.names"), names)), h("div", { class: "actions" }, working(t("webhooks.make"), make, told, { class: "main" })), made);
}

function wanted(url, names, types) {
  const chosen = [...types.selectedOptions].map((option) => option.value);
  return { url: url.value.trim(), names: names.checked, types: chosen.length ? chosen : null };
}

function hookTable(hooks, gallery, told, draw) {
  const heads = [t("webhooks.url"), t("webhooks.state"), t("settings.made"), ""];
  return table(heads, hooks.map((hook) => hookRow(hook, gallery, told, draw)), t("webhooks.title"));
}

function hookRow(hook, gallery, told, draw) {
  const path = at(gallery, "webhooks", hook.id);
  const test = async () => {
    const answer = await ask("POST", `${path}/test`);
    const problem = answer.error && [h("p", null, t("webhooks.no_answer")), inEnglish(answer.error)];
    show(told, h("div", { class: answer.error ? "warning" : "notice" }, problem ?? t("webhooks.answered", { status: String(answer.status), ms: answer.ms })));
    await draw();
  };
  const enable = async () => {
    await ask("POST", `${path}/enable`);
    await draw();
  };
  const log = async () => {
    const found = await attempts(path);
    const rows = found.map((one) => [time(one.at), kind(one), number(one.attempt), one.status === null ? "–" : String(one.status), number(one.ms), one.error && inEnglish(one.error)]);
    const heads = [t("events.when"), t("events.what"), t("webhooks.attempt"), t("webhooks.status"), t("webhooks.ms"), t("jobs.why")];
    show(told, rows.length ? table(heads, rows, t("webhooks.log")) : h("p", { class: "small" }, t("webhooks.no_log")));
  };
  const remove = async () => {
    if (!(await askFirst({ title: t("webhooks.remove_title"), text: hook.url, yes: t("webhooks.remove"), danger: true }))) return;
    await ask("DELETE", path);
    await draw();
    say(t("webhooks.removed"));
  };
  const actions = [
    named(working(t("webhooks.test"), test, told, { class: "plain" }), hook.url),
    named(working(t("webhooks.log"), log, told, { class: "plain" }), hook.url),
    hook.disabled && named(working(t("webhooks.enable"), enable, told, { class: "plain" }), hook.url),
    named(working(t("webhooks.remove"), remove, told, { class: "plain" }), hook.url),
  ];
  return [h("span", { translate: "no" }, hook.url), state(hook), time(hook.made_at), actions];
}

function kind({ type }) {
  return told("event", type);
}

/** What was sent lately, the newest first. */
async function attempts(path) {
  const found = [];
  for (let cursor = ""; cursor !== null; ) {
    const answer = await ask("GET", `${path}/deliveries`, { query: { cursor, limit: 1000 } });
    found.push(...answer.deliveries);
    cursor = answer.next;
  }
  return found.reverse().slice(0, SHOWN);
}

function state(hook) {
  if (hook.disabled) return h("span", { class: "tag failed" }, t("webhooks.disabled"));
  return hook.failures ? h("span", { class: "tag unknown" }, t("webhooks.failing", { n: hook.failures })) : t("webhooks.works");
}
