// The models of the service, and what one may do with them.

import { ask } from "../../api.js";
import { h } from "../../dom.js";
import { table } from "../../parts/notes.js";
import { number, t, told } from "../../words.js";

/** A section with all models that are known. */
export async function modelList() {
  const { embedder, detector, models } = await ask("GET", "/v1/models");
  const used = (name) => name === embedder || detector.split(":").includes(name);
  const here = models.filter((model) => model.place !== null || used(model.name));
  const rows = here.toSorted((a, b) => used(b.name) - used(a.name)).map((model) => [
    h("span", null, h("strong", { translate: "no" }, model.name), used(model.name) && [" ", h("span", { class: "tag" }, t("settings.in_use"))], h("br"), h("span", { class: "small", lang: "en" }, model.description)),
    told("task", model.task),
    h("span", null, h("span", { lang: "en" }, model.licence.name), h("br"), h("span", { class: "small" }, t(model.licence.commercial_use ? "settings.commercial" : "settings.not_commercial"))),
    model.size_bytes === null ? "–" : t("settings.mb", { n: Number((model.size_bytes / 1e6).toPrecision(2)) }),
  ]);
  const heads = [t("overview.model"), t("settings.task"), t("settings.licence"), t("settings.size")];
  return h("section", null, h("h2", null, t("settings.models")), h("p", { class: "small" }, t("settings.models_what", { n: models.length, here: number(here.length) })), table(heads, rows, t("settings.models")));
}
