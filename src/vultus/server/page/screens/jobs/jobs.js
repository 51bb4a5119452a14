// Long work: begun here by a zip or for the gallery as it is, and how far each job is.

import { ask, at, may } from "../../api.js";
import { h, show } from "../../dom.js";
import { fileChooser } from "../../parts/chooser.js";
import { empty, failure, field, named, table, withCode, working } from "../../parts/notes.js";
import { link } from "../../shell.js";
import { t, time, told } from "../../words.js";
import { openJob } from "./job.js";
import { filmForm } from "./film.js";
import { ENDED, progress, repeated, tag } from "./state.js";
import { keepZip } from "./grouping.js";

/** Show all jobs, or one (`#/gallery/jobs/id`). */
export async function openJobs(page, given) {
  return given.rest.length ? openJob(page, given) : openList(page, given);
}

async function openList(page, given) {
  const { gallery } = given;
  const list = h("div");
  const models = may("admin") && migration(given);
  page.append(
    begun(given, "enrolment", { id: "zip", head: "jobs.enrol", what: "jobs.enrol_what", act: "jobs.begin" }),
    h("section", null, h("h2", null, t("jobs.all")), list),
    h("h2", null, t("jobs.others")),
    folded("jobs.group", begun(given, "clustering", { id: "zip-faces", what: "jobs.group_what", act: "jobs.group_begin" }), groupedReview(given)),
    folded("jobs.film", filmForm(given, key)),
    may("admin") && folded("jobs.calibrate", begun(given, "calibration", { id: "zip-measured", what: "jobs.calibrate_what", act: "jobs.measure" })),
    models && folded("jobs.migrate", models.element),
  );
  if (models) await models.list();
  await repeated(given, async () => {
    const { jobs } = await ask("GET", at(gallery, "jobs"));
    show(list, jobs.length ? jobTable(jobs, gallery) : empty(t("jobs.none")));
    return jobs.every((job) => ENDED.includes(job.state));
  });
}

function folded(head, ...parts) {
  return h("details", { class: "more", id: head.replace(".", "-") }, h("summary", null, t(head)), parts);
}

/** Where a job of a kind is begun, by a zip. */
function begun({ gallery, go }, kind, { id, head, what, act }) {
  const choice = fileChooser({ id, accept: ".zip,application/zip", label: t("jobs.file") });
  const trouble = h("div");
  const begin = async () => {
    const zip = choice.chosen();
    if (!zip) throw new Error(t("jobs.no_file"));
    // As the body: what the file is called may be a name.
    const headers = { "Content-Type": "application/zip", "Idempotency-Key": key() };
    const job = await ask("POST", at(gallery, "jobs", kind), { form: zip, headers });
    keepZip(job.id, zip);
    go("jobs", job.id);
  };
  return h("section", null, head && h("h2", null, t(head)), h("p", null, t(what)), choice.element, h("div", { class: "actions" }, working(t(act), begin, trouble, { class: "main" })), trouble);
}

function groupedReview({ gallery, go }) {
  const trouble = h("div");
  const begin = async () => {
    const job = await ask("POST", at(gallery, "jobs", "review-clustering"), { headers: { "Idempotency-Key": key() } });
    go("jobs", job.id);
  };
  return h("section", null, h("p", null, t("jobs.group_review_what")), h("div", { class: "actions" }, working(t("jobs.group_review"), begin, trouble)), trouble);
}

/** To which model the gallery is brought: one of those that lie on this machine. */
function migration({ gallery, go }) {
  const trouble = h("div");
  const model = h("select", { id: "model" });
  const list = async () => {
    const { embedder, models } = await ask("GET", "/v1/models");
    const others = models.filter((one) => one.task === "embedding" && one.place !== null && one.name !== embedder);
    show(model, others.map((one) => h("option", { value: one.name }, one.name)));
    act.hidden = !others.length;
    if (!others.length) show(trouble, h("p", { class: "small" }, withCode(t("jobs.no_model"))));
  };
  const begin = async () => {
    const job = await ask("POST", at(gallery, "jobs", "migration"), { json: { model: model.value }, headers: { "Idempotency-Key": key() } });
    go("jobs", job.id);
  };
  const act = h("div", { class: "tools" }, field(t("jobs.model"), model), working(t("jobs.migrate_begin"), begin, trouble, { class: "main" }));
  const element = h("section", null, h("p", null, t("jobs.migrate_what")), act, trouble);
  return { element, list: () => list().catch((error) => show(trouble, failure(error))) };
}

/** A new idempotency key: what is sent twice by mistake is done once. */
function key() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function jobTable(jobs, gallery) {
  const heads = [t("jobs.kind"), t("jobs.state"), t("jobs.progress"), t("jobs.made"), ""];
  const open = (job) => named(h("a", { href: link(gallery, "jobs", job.id) }, t("jobs.open")), `${told("jobkind", job.kind)}, ${time(job.made_at)}`);
  const rows = jobs.map((job) => [told("jobkind", job.kind), tag(job), progress(job), time(job.made_at), open(job)]);
  return table(heads, rows, t("jobs.all"));
}
