// What the gallery is, and what its operator should know.

import { ask, at, may, mayAll } from "../api.js";
import { h } from "../dom.js";
import { chips, facts, figure } from "../parts/notes.js";
import { link } from "../shell.js";
import { day, number, t } from "../words.js";
import { eventRows, learnNames } from "./events.js";

const SHOWN = 100;

/** Show the overview. */
export async function openOverview(page, { gallery, told }) {
  const asked = [at(gallery), "/v1/version", "/v1/calibration"].map((path) => ask("GET", path));
  const [now, version, { calibration }] = await Promise.all(asked);
  const work = may("operator") ? await atWork(gallery) : null;
  Object.assign(told, now);
  const groups = Object.entries(now.groups);
  page.append(
    h(
      "div",
      { class: "figures" },
      figure(number(now.people), t("overview.people", { n: now.people })),
      figure(number(groups.length), t("overview.groups", { n: groups.length })),
      work && figure(h("a", { href: link(gallery, "review") }, work.waiting), t("overview.waiting")),
      figure(now.model, t("overview.model"), t("overview.detector", { name: version.detector })),
    ),
    h("div", { class: "actions" }, begin(gallery)),
  );
  page.append(warnings([...ofGallery(now, calibration), ...(await ofModel(now)), ...(work?.said ?? [])]), h("h2", null, t("overview.gallery")), about(now, version, calibration));
  if (groups.length) page.append(h("h2", null, t("overview.by_group")), chips(groups.map(([name, n]) => `${name} · ${number(n)}`)));
  if (may("operator")) await latest(page, gallery);
}

function begin(gallery) {
  return [
    h("a", { class: "button main", href: link(gallery, "identify") }, t("identify.title")),
    may("operator") && h("a", { class: "button", href: link(gallery, "people", "new") }, t("people.enrol")),
  ];
}

function ofGallery(now, calibration) {
  return [!now.sealed && t("overview.sealed_no"), !calibration && t("overview.uncalibrated")];
}

async function ofModel(now) {
  const { models } = await ask("GET", "/v1/models");
  const used = models.find((model) => model.name === now.model);
  return [used && !used.licence.commercial_use && t("overview.not_commercial", { name: now.model })];
}

/** How many faces wait, and what went wrong that somebody must see to. */
async function atWork(gallery) {
  const paths = ["review", "retention", "jobs"].map((path) => ask("GET", at(gallery, path), { query: { limit: path === "retention" ? null : SHOWN } }));
  const hooks = mayAll("admin") ? ask("GET", at(gallery, "webhooks")) : { webhooks: [] };
  const [review, retention, { jobs }, { webhooks }] = await Promise.all([...paths, hooks]);
  const failed = jobs.filter((job) => job.state === "failed").length;
  const cut = webhooks.filter((hook) => hook.disabled || hook.failures).length;
  return {
    waiting: `${number(review.faces.length)}${review.next === null ? "" : "+"}`,
    said: [
      retention.people_due > 0 && t("overview.due", { n: retention.people_due }),
      failed > 0 && h("a", { href: link(gallery, "jobs") }, t("overview.failed", { n: failed })),
      cut > 0 && t("overview.webhooks", { n: cut }),
    ],
  };
}

/** What an operator should see to. */
function warnings(found) {
  const said = found.filter(Boolean);
  return said.length ? h("div", { class: "warning" }, h("strong", null, t("overview.see_to")), h("ul", { class: "reasons" }, said.map((text) => h("li", null, text)))) : h("div");
}

function about(now, version, calibration) {
  return facts([
    [t("overview.name"), now.id],
    [t("overview.sealed"), t(now.sealed ? "overview.sealed_yes" : "overview.not_sealed")],
    [t("overview.calibration"), calibration ? t("overview.calibrated", { day: day(calibration.created) }) : t("overview.model_rates")],
    [t("overview.version"), `Vultus ${version.vultus}`],
  ]);
}

async function latest(page, gallery) {
  const { events } = await ask("GET", at(gallery, "events"), { query: { last: 50 } });
  if (!events.length) return;
  const newest = events.slice(-6).reverse();
  page.append(h("h2", null, t("overview.latest")), eventRows(newest, gallery, await learnNames(gallery, newest)));
}
