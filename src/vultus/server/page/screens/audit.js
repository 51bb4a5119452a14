// Who did and decided what, in a chain that shows what was changed.

import { ask, at } from "../api.js";
import { h, show } from "../dom.js";
import { button, empty, failure, field, inEnglish, table, working } from "../parts/notes.js";
import { number, rate, similarity, t, time, told } from "../words.js";

const PAGE = 200;
const ACTIONS = [
  "identify", "verify", "search", "enroll", "remove photos", "note", "rename", "merge", "unmerge", "assign", "deny", "dismiss",
  "erase", "erase again", "expire", "export", "backup", "restore", "create", "allow review", "forbid review", "allow crops",
  "forbid crops", "keep events", "begin migration", "enroll again", "finish migration", "cancel migration", "rekey",
];

/** Show the screen. */
export async function openAudit(page, { gallery }) {
  const list = h("div");
  const judged = h("div", { role: "status" });
  const action = h("select", { id: "action" }, h("option", { value: "" }, t("events.all")), ACTIONS.map((one) => h("option", { value: one }, told("action", one))));
  const head = h("p", { class: "small" });
  const more = button(t("people.more"), () => load(false), { class: "plain" });
  let entries = [];
  let next = "";
  const load = async (anew) => {
    if (anew) [entries, next] = [[], ""];
    const answer = await ask("GET", at(gallery, "audit"), { query: { cursor: next, limit: PAGE, action: action.value } });
    entries.push(...answer.entries);
    next = answer.next;
    more.hidden = next === null;
    show(head, answer.head && [t("audit.head"), " ", h("code", null, answer.head)]);
    show(list, entries.length ? entryTable(entries) : empty(t("audit.none")));
  };
  action.addEventListener("change", () => load(true).catch((error) => show(list, failure(error))));
  const verify = async () => {
    const answer = await ask("POST", at(gallery, "audit", "verify"), { json: { heads: [] } });
    show(judged, h("div", { class: answer.sound ? "notice" : "warning" }, answer.sound ? t("audit.sound", { n: answer.entries }) : [t("audit.not_sound"), inEnglish(answer.message)]));
  };
  page.append(
    h("p", null, t("audit.what")),
    h("div", { class: "tools" }, field(t("audit.action"), action), working(t("audit.verify"), verify, judged)),
    judged,
    list,
    more,
    head,
  );
  await load(true);
}

function entryTable(entries) {
  const heads = ["#", t("events.when"), t("audit.actor"), t("audit.action"), t("audit.subject"), t("events.details")];
  return table(heads, entries.map(row), t("audit.title"));
}

function row(entry) {
  const subject = entry.subject ? h("code", null, entry.subject.slice(0, 8)) : "–";
  return [String(entry.position), h("time", { datetime: entry.at }, time(entry.at)), actor(entry.actor), told("action", entry.action), subject, details(entry)];
}

function details(entry) {
  const said = [];
  if (entry.decision) said.push(told("decision", entry.decision));
  if (entry.similarity != null) said.push(t("events.similarity", { value: similarity(entry.similarity), threshold: similarity(entry.threshold) }));
  if (entry.fpir != null) said.push(`FPIR ${rate(entry.fpir)}`);
  for (const [name, n] of Object.entries(entry.counts ?? {})) said.push(`${told("count", name)} ${number(n)}`);
  return said.join(" · ");
}

/** Who: the service names keys as `key ID`. */
function actor(text) {
  const key = /^key (\S+)$/.exec(text);
  return key ? t("audit.key", { key: key[1] }) : told("actor", text);
}
