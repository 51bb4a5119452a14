// What an administrator sees to: keys, how long what is kept, webhooks, galleries, models, licences.

import { ask, at, session } from "../../api.js";
import { h, show } from "../../dom.js";
import { askFirst } from "../../parts/ask_first.js";
import { button, failure, field, named, say, table, working } from "../../parts/notes.js";
import { t, time } from "../../words.js";
import { galleryList } from "./galleries.js";
import { modelList } from "./models.js";
import { retention } from "./retention.js";
import { webhooks } from "./webhooks.js";

/** Show the screen. */
export async function openSettings(page, { gallery, reload }) {
  const { galleries } = await ask("GET", "/v1/galleries");
  const list = h("div");
  const made = h("div");
  const draw = async () => show(list, keyTable((await ask("GET", "/v1/keys")).keys, draw));
  page.append(h("section", null, h("h2", null, t("settings.keys")), h("p", null, t("settings.keys_what")), list, newKey(galleries, made, draw), made));
  await draw();
  const sections = [retention(gallery), alignedFaces(gallery), webhooks(gallery), galleryList(reload), backup(gallery), modelList()].map((section) => section.catch(failure));
  page.append(...(await Promise.all(sections)));
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
    if (key.id === session?.key_id) return location.reload();
    await draw();
    say(t("settings.taken", { id: key.id }));
  };
  const back = key.id === "admin" ? t("settings.in_file") : [named(working(t("settings.take"), take, told, { class: "plain" }), key.id), told];
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

/** Whether aligned faces of photos are kept, for another model and for who reviews. */
async function alignedFaces(gallery) {
  const place = h("section");
  const told = h("div");
  const keep = async () => {
    await ask("PUT", at(gallery, "crops"));
    await draw();
    say(t("person.saved"));
  };
  const forget = async () => {
    const yes = await askFirst({ title: t("settings.crops_forget_title"), text: t("settings.crops_forget_text"), yes: t("settings.crops_forget"), danger: true });
    if (!yes) return;
    const { deleted } = await ask("DELETE", at(gallery, "crops"));
    await draw();
    say(t("settings.crops_forgotten", { n: deleted }));
  };
  const draw = async () => {
    const { keeps_crops: kept } = await ask("GET", at(gallery));
    const act = kept ? working(t("settings.crops_forget"), forget, told, { class: "danger" }) : working(t("settings.crops_keep"), keep, told);
    show(place, h("h2", null, t("settings.crops")), h("p", null, t(kept ? "settings.crops_kept" : "settings.crops_not_kept")), h("div", { class: "actions" }, act), told);
  };
  await draw();
  return place;
}

/** The whole gallery as a file. */
async function backup(gallery) {
  const file = h("a", { class: "button", href: at(gallery, "export"), download: "" }, t("settings.backup_save"));
  return h("section", null, h("h2", null, t("settings.backup")), h("p", null, t("settings.backup_what"), " ", h("code", null, "vultus gallery restore")), h("div", { class: "actions" }, file));
}
