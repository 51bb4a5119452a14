// What the gallery is, and what its operator should know.

import { ask, may } from "../api.js";
import { h } from "../dom.js";
import { chips, facts, figure } from "../parts/notes.js";
import { link } from "../shell.js";
import { number, t } from "../words.js";
import { eventRows } from "./events.js";

/** Show the overview. */
export async function openOverview(page, { gallery, told }) {
  const [now, version] = await Promise.all([ask("GET", `/v1/galleries/${encodeURIComponent(gallery)}`), ask("GET", "/v1/version")]);
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
  page.append(h("h2", null, t("overview.gallery")), about(now, version));
  if (groups.length) page.append(h("h2", null, t("overview.by_group")), chips(groups.map(([name, n]) => `${name} · ${number(n)}`)));
  if (may("operator")) await latest(page, gallery);
}

function begin(gallery) {
  return [
    h("a", { class: "button main", href: link(gallery, "identify") }, t("identify.title")),
    may("operator") && h("a", { class: "button", href: link(gallery, "people", "new") }, t("people.enrol")),
  ];
}

function about(now, version) {
  return facts([
    [t("overview.name"), now.id],
    [t("overview.sealed"), t(now.sealed ? "overview.sealed_yes" : "overview.sealed_no")],
    [t("overview.version"), `Vultus ${version.vultus}`],
  ]);
}

async function latest(page, gallery) {
  const { events } = await ask("GET", `/v1/galleries/${encodeURIComponent(gallery)}/events`, { query: { limit: 1000 } });
  if (events.length) page.append(h("h2", null, t("overview.latest")), eventRows(events.slice(-6).reverse(), gallery, new Map()));
}
