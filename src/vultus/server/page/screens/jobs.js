// Long work: many people enrolled from a zip, with how far it is and what was refused.

import { ask, at, may, mayAll } from "../api.js";
import { h, show } from "../dom.js";
import { button, empty, field, saveJson, say, table, working } from "../parts/notes.js";
import { reason } from "../parts/reasons.js";
import { link } from "../shell.js";
import { number, t, time, told } from "../words.js";

const PAUSE_MS = 1000;
const ENDED = ["done", "failed", "cancelled"];

/** Show all jobs, or one (`#/gallery/jobs/id`). */
export async function openJobs(page, given) {
  return given.rest.length ? openJob(page, given) : openList(page, given);
}

async function openList(page, given) {
  const { gallery } = given;
  const list = h("div");
  page.append(begun(given, "enrolment", { id: "zip", head: "jobs.enrol", what: "jobs.enrol_what", act: "jobs.begin" }));
  if (may("admin")) page.append(begun(given, "calibration", { id: "zip-measured", head: "jobs.calibrate", what: "jobs.calibrate_what", act: "jobs.measure" }));
  page.append(h("section", null, h("h2", null, t("jobs.all")), list));
  await repeated(given, async () => {
    const { jobs } = await ask("GET", at(gallery, "jobs"));
    show(list, jobs.length ? jobTable(jobs, gallery) : empty(t("jobs.none")));
    return jobs.every((job) => ENDED.includes(job.state));
  });
}

/** Where a job of a kind is begun, by a zip. */
function begun({ gallery, go }, kind, { id, head, what, act }) {
  const file = h("input", { id, type: "file", accept: ".zip,application/zip" });
  const trouble = h("div");
  const begin = async () => {
    const [zip] = file.files;
    if (!zip) throw new Error(t("jobs.no_file"));
    // As the body: what the file is called may be a name.
    const headers = { "Content-Type": "application/zip", "Idempotency-Key": key() };
    const job = await ask("POST", at(gallery, "jobs", kind), { form: zip, headers });
    go("jobs", job.id);
  };
  return h("section", null, h("h2", null, t(head)), h("p", null, t(what)), h("div", { class: "tools" }, field(t("jobs.file"), file), working(t(act), begin, trouble, { class: "main" })), trouble);
}

/** A new idempotency key: what is sent twice by mistake is done once. */
function key() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Do it now, and again until it says that nothing will change, or the screen is left. */
async function repeated({ onLeave, gone }, action) {
  let timer = 0;
  onLeave(() => clearTimeout(timer));
  const turn = async () => {
    const still = await action();
    if (!still && !gone()) timer = setTimeout(() => turn().catch(() => {}), PAUSE_MS);
  };
  await turn();
}

function jobTable(jobs, gallery) {
  const heads = [t("jobs.kind"), t("jobs.state"), t("jobs.progress"), t("jobs.made"), ""];
  const rows = jobs.map((job) => [told("jobkind", job.kind), tag(job), progress(job), time(job.made_at), h("a", { href: link(gallery, "jobs", job.id) }, t("jobs.open"))]);
  return table(heads, rows, t("jobs.all"));
}

function tag(job) {
  return h("span", { class: `tag ${job.state}` }, told("jobstate", job.state));
}

function progress(job) {
  const words = job.total ? t("jobs.of", { done: job.done, total: job.total }) : "";
  return h("span", { class: "progress" }, h("progress", { max: job.total || 1, value: job.state === "done" ? job.total || 1 : job.done, "aria-label": t("jobs.progress") }), words);
}

async function openJob(page, given) {
  const { gallery, rest, title, go } = given;
  const state = h("div");
  const people = h("div");
  const trouble = h("div");
  page.append(h("p", null, h("a", { href: link(gallery, "jobs") }, t("jobs.back"))), state, trouble, people);
  await repeated(given, async () => {
    const job = await ask("GET", at(gallery, "jobs", rest[0]));
    title.textContent = told("jobkind", job.kind);
    show(state, jobShown(job, gallery, trouble, go));
    if (job.kind === "enrolment") show(people, await refusals(gallery, job));
    return ENDED.includes(job.state);
  });
}

function jobShown(job, gallery, trouble, go) {
  const cancel = async () => {
    await ask("POST", at(gallery, "jobs", job.id, "cancel"));
    say(t("jobs.cancelled"));
  };
  const remove = async () => {
    await ask("DELETE", at(gallery, "jobs", job.id));
    go("jobs");
  };
  const ended = ENDED.includes(job.state);
  return [
    h("p", null, tag(job), " ", progress(job)),
    job.doing && !ended && h("p", { class: "small" }, job.doing),
    job.detail && h("p", { class: "warning" }, job.detail),
    job.result && job.kind === "enrolment" && counts(job.result),
    job.result && job.kind === "calibration" && measured(job.result.calibration, trouble),
    h("div", { class: "actions" }, ended ? working(t("jobs.remove"), remove, trouble, { class: "plain" }) : working(t("jobs.cancel"), cancel, trouble)),
  ];
}

/** A calibration that was measured: kept as a file, or taken into use. */
function measured(calibration, trouble) {
  const use = async () => {
    await ask("PUT", "/v1/calibration", { json: calibration });
    say(t("jobs.used"));
  };
  return [h("p", null, t("jobs.measured")), h("div", { class: "actions" }, mayAll("admin") && working(t("jobs.use"), use, trouble, { class: "main" }), button(t("jobs.save"), () => saveJson(calibration, "calibration.json")))];
}

function counts(result) {
  const numbers = Object.entries(result).filter(([, value]) => typeof value === "number");
  return h("p", null, numbers.map(([name, value]) => `${told("jobresult", name)}: ${number(value)}`).join(" · "));
}

async function refusals(gallery, job) {
  const answer = await ask("GET", at(gallery, "jobs", job.id, "people"), { query: { refused: true, limit: 500 } });
  if (!answer.people.length) return null;
  const rows = answer.people.flatMap((person) => person.refused.map((one) => [person.person ? h("a", { href: link(gallery, "people", person.person) }, person.name) : person.name, one.photo ?? "–", told("problem", one.code), reason(one.detail)]));
  return [h("h2", null, t("jobs.refused", { n: rows.length })), table([t("enrol.name"), t("person.photo"), t("jobs.why"), t("events.details")], rows, t("jobs.why"))];
}
