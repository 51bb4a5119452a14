// One job: how far it is, and what came of it.

import { ask, at, mayAll } from "../../api.js";
import { h, show } from "../../dom.js";
import { button, facts, failure, saveJson, say, table, working } from "../../parts/notes.js";
import { why } from "../../parts/reasons.js";
import { link } from "../../shell.js";
import { number, t, told } from "../../words.js";
import { learnNames } from "../events.js";
import { filmShown } from "./film.js";
import { groupsShown } from "./grouping.js";
import { ENDED, progress, repeated, tag } from "./state.js";

/** Show a job, and its result when it has one. */
export async function openJob(page, given) {
  const { gallery, rest, title, go, gone } = given;
  const state = h("div");
  const trouble = h("div");
  const act = h("div", { class: "actions" });
  const result = h("div");
  page.append(h("p", null, h("a", { href: link(gallery, "jobs") }, t("jobs.back"))), state, act, trouble, result);
  let before = null;
  await repeated(given, async () => {
    const job = await ask("GET", at(gallery, "jobs", rest[0]));
    if (gone()) return true;
    title.textContent = told("jobkind", job.kind);
    show(state, stateShown(job));
    const ended = ENDED.includes(job.state);
    // What can be pressed stays while the job goes on: the keyboard would lose its place.
    if (before !== ended) show(act, ended ? removal(job, given, trouble) : cancelling(job, gallery, trouble));
    before = ended;
    if (ended) show(result, await resultOf(job, given, trouble));
    return ended;
  });
}

function stateShown(job) {
  const ended = ENDED.includes(job.state);
  return [
    h("p", { role: "status" }, tag(job), " ", progress(job)),
    job.doing && !ended && h("p", { class: "small" }, told("doing", job.doing)),
    job.detail && failure({ code: job.error ?? "internal", message: job.detail }),
  ];
}

function cancelling(job, gallery, trouble) {
  const cancel = async () => {
    await ask("POST", at(gallery, "jobs", job.id, "cancel"));
    say(t("jobs.cancelled"));
  };
  return working(t("jobs.cancel"), cancel, trouble);
}

function removal(job, { gallery, go }, trouble) {
  const remove = async () => {
    await ask("DELETE", at(gallery, "jobs", job.id));
    go("jobs");
  };
  return working(t("jobs.remove"), remove, trouble, { class: "plain" });
}

async function resultOf(job, given, trouble) {
  if (job.kind === "enrolment") return [job.result && counts(job.result), await refusals(given.gallery, job)];
  if (!job.result) return null;
  if (job.kind === "calibration") return measured(job.result.calibration, trouble);
  if (job.kind === "clustering") return groupsShown(job, given);
  if (job.kind === "film") return filmShown(job.result, given.gallery);
  return migrated(job.result, given.gallery);
}

function counts(result) {
  const numbers = Object.entries(result).filter(([, value]) => typeof value === "number");
  return facts(numbers.map(([name, value]) => [told("jobresult", name), number(value)]));
}

async function refusals(gallery, job) {
  const answer = await ask("GET", at(gallery, "jobs", job.id, "people"), { query: { refused: true, limit: 500 } });
  if (!answer.people.length) return null;
  const who = (person) => (person.person ? h("a", { href: link(gallery, "people", person.person) }, person.name) : person.name);
  const rows = answer.people.flatMap((person) => person.refused.map((one) => [who(person), h("bdi", null, one.photo ?? "–"), told("problem", one.code), why(one.detail)]));
  return [h("h2", null, t("jobs.refused", { n: rows.length })), table([t("enrol.name"), t("person.photo"), t("jobs.why"), t("events.details")], rows, t("jobs.why"))];
}

/** A calibration that was measured: kept as a file, or taken into use. */
function measured(calibration, trouble) {
  const use = async () => {
    await ask("PUT", "/v1/calibration", { json: calibration });
    say(t("jobs.used"));
  };
  return [
    h("p", null, t("jobs.measured")),
    h("div", { class: "actions" }, mayAll("admin") && working(t("jobs.use"), use, trouble, { class: "main" }), button(t("jobs.save"), () => saveJson(calibration, "calibration.json"))),
  ];
}

/** How far the gallery has come to another model, and who must be photographed again. */
async function migrated(result, gallery) {
  const names = await learnNames(gallery, result.missing.map((person) => ({ person })));
  const person = (id) => h("li", null, h("a", { href: link(gallery, "people", id) }, names.get(id) ?? `${id.slice(0, 8)}…`));
  return [
    facts([
      [t("jobs.from"), result.before],
      [t("jobs.to"), result.model],
      [t("jobs.ready"), t("jobs.of", { done: result.ready, total: result.people })],
      [t("jobs.photos_left"), number(result.photos_left)],
      [t("jobs.reviewed"), number(result.reviewed)],
    ]),
    h("p", { class: "notice" }, t(result.n_missing ? "jobs.not_complete" : "jobs.complete"), " ", h("code", null, "vultus gallery migrate --finish")),
    result.n_missing > 0 && [
      h("h2", null, t("jobs.missing", { n: result.n_missing })),
      h("p", null, t("jobs.missing_what")),
      h("ul", { class: "reasons" }, result.missing.map(person)),
      result.n_missing > result.missing.length && h("p", { class: "small" }, t("people.shown", { n: result.missing.length, all: result.n_missing })),
    ],
  ];
}
