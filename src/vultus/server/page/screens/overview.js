// What the gallery is, and what its operator should know.

import { ask, at, may } from "../api.js";
import { h } from "../dom.js";
import { chips, facts, figure } from "../parts/notes.js";
import { link } from "../shell.js";
import { day, number, t } from "../words.js";
import { eventRows, learnNames } from "./events.js";

/** Show the overview. */
export async function openOverview(page, { gallery, told }) {
  const asked = [at(gallery), "/v1/version", "/v1/calibration"].map((path) => ask("GET", path));
  const [now, version, { calibration }] = await Promise.all(asked);
  Object.assign(told, now);
  const groups = Object.entries(now.groups);
  page.append(
    h(
      "div",
      { class: "figures" },
      figure(number(now.people), t("overview.people", { n: now.people })),
      figure(number(groups.length), t("overview.groups", { n: groups.length })),
      figure(now.model, t("overview.model"), t("overview.detector", { name: version.detector })),
    ),
    h("div", { class: "actions" }, begin(gallery)),
  );
  page.append(warnings(now, calibration), h("h2", null, t("overview.gallery")), about(now, version, calibration));
  if (groups.length) page.append(h("h2", null, t("overview.by_group")), chips(groups.map(([name, n]) => `${name} · ${number(n)}`)));
  if (may("operator")) await latest(page, gallery);
}

function begin(gallery) {
  return [
    h("a", { class: "button main", href: link(gallery, "identify") }, t("identify.title")),
    may("operator") && h("a", { class: "button", href: link(gallery, "people", "new") }, t("people.enrol")),
  ];
}

/** What an operator should see to. */
function warnings(now, calibration) {
  const said = [];
  if (!now.sealed) said.push(t("overview.sealed_no"));
  if (!calibration) said.push(t("overview.uncalibrated"));
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
