// What an administrator sees to: keys, what is kept for review, webhooks, models and their licences.

import { ask, at, session } from "../api.js";
import { h, show } from "../dom.js";
import { askFirst } from "../parts/ask_first.js";
import { button, failure, field, say, table, working } from "../parts/notes.js";
import { t, time } from "../words.js";
import { modelList } from "./models.js";
import { webhooks } from "./webhooks.js";

/** Show the screen. */
export async function openSettings(page, { gallery }) {
  const { galleries } = await ask("GET", "/v1/galleries");
  const list = h("div");
  const made = h("div");
  const draw = async () => show(list, keyTable((await ask("GET", "/v1/keys")).keys, draw));
  page.append(h("section", null, h("h2", null, t("settings.keys")), h("p", null, t("settings.keys_what")), list, newKey(galleries, made, draw), made));
  await draw();
  const sections = [reviewRules(gallery), alignedFaces(gallery), backup(gallery), webhooks(gallery), modelList()].map((section) => section.catch(failure));
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

/** For how long faces that nobody could name are kept; nothing is until somebody says so. */
async function reviewRules(gallery) {
  const { rules, faces } = await ask("GET", at(gallery, "review"), { query: { limit: 1 } });
  const days = h("input", { id: "days", type: "number", min: "1", max: "3650", value: rules?.days ?? 30 });
  const told = h("div");
  const allow = async () => {
    await ask("PUT", at(gallery, "review"), { json: { days: Number(days.value), doubtful_within: rules?.doubtful_within ?? 0 } });
    say(t("person.saved"));
  };
  const forbid = async () => {
    const yes = await askFirst({ title: t("settings.forbid_title"), text: t("settings.forbid_text"), yes: t("settings.forbid"), danger: true });
    if (yes) say(t("review.dismissed", { n: (await ask("DELETE", at(gallery, "review"))).deleted }));
  };
  return h(
    "section",
    null,
    h("h2", null, t("settings.retention")),
    h("p", null, t(rules ? "settings.kept" : "settings.not_kept", { n: faces.length })),
    h("div", { class: "tools" }, field(t("settings.days"), days), working(t("review.allow"), allow, told), rules && working(t("settings.forbid"), forbid, told, { class: "danger" })),
    told,
  );
}

/** Whether aligned faces of photos are kept, for another model and for who reviews. */
async function alignedFaces(gallery) {
  const place = h("section");
  const told = h("div");
  const keep = async () => {
    await ask("PUT", at(gallery, "crops"));
    say(t("person.saved"));
    await draw();
  };
  const forget = async () => {
    const yes = await askFirst({ title: t("settings.crops_forget_title"), text: t("settings.crops_forget_text"), yes: t("settings.crops_forget"), danger: true });
    if (!yes) return;
    say(t("settings.crops_forgotten", { n: (await ask("DELETE", at(gallery, "crops"))).deleted }));
    await draw();
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
  return h("section", null, h("h2", null, t("settings.backup")), h("p", null, t("settings.backup_what")), h("div", { class: "actions" }, file));
}
