// What an administrator sees to: the keys of the service.

import { ask, session } from "../api.js";
import { h, show } from "../dom.js";
import { askFirst } from "../parts/ask_first.js";
import { button, field, say, table, working } from "../parts/notes.js";
import { t, time } from "../words.js";

/** Show the screen. */
export async function openSettings(page) {
  const { galleries } = await ask("GET", "/v1/galleries");
  const list = h("div");
  const made = h("div");
  const draw = async () => show(list, keyTable((await ask("GET", "/v1/keys")).keys, draw));
  page.append(h("section", null, h("h2", null, t("settings.keys")), h("p", null, t("settings.keys_what")), list, newKey(galleries, made, draw), made));
  await draw();
}

function keyTable(keys, draw) {
  const heads = [t("settings.key_id"), t("settings.role"), t("settings.galleries"), t("settings.made"), ""];
  return table(heads, keys.map((key) => keyRow(key, draw)), t("settings.keys"));
}

function keyRow(key, draw) {
  const told = h("span");
  const take = async () => {
    const yes = await askFirst({ title: t("settings.take_title", { id: key.id }), text: t("settings.take_text"), yes: t("settings.take"), danger: true });
    if (!yes) return;
    await ask("DELETE", `/v1/keys/${encodeURIComponent(key.id)}`);
    say(t("settings.taken", { id: key.id }));
    if (key.id !== session?.key_id) await draw();
    else location.reload();
  };
  const back = key.id === "admin" ? t("settings.in_file") : [working(t("settings.take"), take, told, { class: "plain" }), told];
  return [h("code", null, key.id), t(`role.${key.role}`), key.galleries?.join(", ") ?? t("settings.all"), time(key.created_at), back];
}

function newKey(galleries, made, draw) {
  const role = h("select", { id: "role" }, ["reader", "operator", "admin"].map((one) => h("option", { value: one }, t(`role.${one}`))));
  const which = h("select", { id: "which" }, h("option", { value: "" }, t("settings.all")), galleries.map((one) => h("option", { value: one.id }, one.id)));
  const told = h("div");
  const make = async () => {
    const json = { role: role.value, galleries: which.value ? [which.value] : null };
    const key = await ask("POST", "/v1/keys", { json });
    show(made, keyShown(key));
    await draw();
  };
  return h("div", { class: "tools" }, field(t("settings.role"), role), field(t("settings.galleries"), which), working(t("settings.make"), make, told, { class: "main" }), told);
}

function keyShown(key) {
  const copy = async () => {
    await navigator.clipboard.writeText(key.key);
    say(t("settings.copied"));
  };
  return h("div", { class: "notice" }, h("p", null, t("settings.new_key")), h("p", null, h("code", { class: "secret" }, key.key)), button(t("settings.copy"), copy));
}
