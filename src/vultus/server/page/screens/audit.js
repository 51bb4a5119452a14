// Who did and decided what, in a chain that shows what was changed.

import { ask, at } from "../api.js";
import { h, show } from "../dom.js";
import { button, empty, field, table, working } from "../parts/notes.js";
import { rate, similarity, t, time, told } from "../words.js";

const PAGE = 200;

/** Show the screen. */
export async function openAudit(page, { gallery }) {
  const list = h("div");
  const judged = h("div", { role: "status" });
  const action = h("input", { id: "action", autocomplete: "off", spellcheck: "false", pattern: "[a-z][a-z \\-]{0,39}" });
  const head = h("p", { class: "small" });
  const more = button(t("people.more"), () => load(false), { class: "plain" });
  let entries = [];
  let next = "";
  const load = async (anew) => {
    if (anew) [entries, next] = [[], ""];
    const answer = await ask("GET", at(gallery, "audit"), { query: { cursor: next, limit: PAGE, action: action.value.trim() } });
    entries.push(...answer.entries);
    next = answer.next;
    more.hidden = next === null;
    show(head, answer.head && [t("audit.head"), " ", h("code", null, answer.head)]);
    show(list, entries.length ? entryTable(entries) : empty(t("audit.none")));
  };
  action.addEventListener("change", () => action.checkValidity() && load(true));
  const verify = async () => {
    const answer = await ask("POST", at(gallery, "audit", "verify"), { json: { heads: [] } });
    show(judged, h("p", { class: answer.sound ? "notice" : "warning" }, answer.sound ? t("audit.sound", { n: answer.entries }) : answer.message));
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
  return [String(entry.position), h("time", { datetime: entry.at }, time(entry.at)), entry.actor, entry.action, subject, details(entry)];
}

function details(entry) {
  const said = [];
  if (entry.decision) said.push(told("decision", entry.decision));
  if (entry.similarity != null) said.push(t("events.similarity", { value: similarity(entry.similarity), threshold: similarity(entry.threshold) }));
  if (entry.fpir != null) said.push(`FPIR ${rate(entry.fpir)}`);
  for (const [name, n] of Object.entries(entry.counts ?? {})) said.push(`${name} ${n}`);
  return said.join(" · ");
}
