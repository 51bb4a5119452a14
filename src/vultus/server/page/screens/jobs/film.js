// A film is sent and watched: its events are the gallery's, and it is deleted afterwards.

import { ask, at } from "../../api.js";
import { h } from "../../dom.js";
import { fileChooser } from "../../parts/chooser.js";
import { WatchFields } from "../../parts/monitor_form.js";
import { facts, field, inEnglish, working } from "../../parts/notes.js";
import { link } from "../../shell.js";
import { lasted, number, t, told } from "../../words.js";

/** Where a film is chosen, and how it is to be watched. */
export function filmForm({ gallery, go }, key) {
  const choice = fileChooser({ id: "film", accept: "video/*,image/gif,.mkv", label: t("film.file") });
  const name = h("input", { id: "film-name", maxlength: "100", autocomplete: "off", value: t("film.usual_name") });
  const fields = new WatchFields("film");
  const again = h("input", { type: "checkbox", id: "film-again" });
  const trouble = h("div");
  const begin = async () => {
    const film = choice.chosen();
    if (!film) throw new Error(t("film.no_file"));
    // As the body: what the file is called may be a name. What is null is left out of the query.
    const headers = { "Content-Type": "application/octet-stream", "Idempotency-Key": key() };
    const query = { ...fields.values, name: name.value, again: again.checked };
    const job = await ask("POST", at(gallery, "jobs", "film"), { form: film, headers, query });
    go("jobs", job.id);
  };
  return h("section", null, h("p", null, t("film.what")), choice.element, h("div", { class: "fields" }, field(t("live.name"), name, t("film.name_hint")), fields.element, field(t("film.again"), again, t("film.again_hint"))), h("div", { class: "actions" }, working(t("film.begin"), begin, trouble, { class: "main" })), trouble);
}

/** What was seen in it, in numbers; who it was is told by the events. */
export function filmShown(result, gallery) {
  const events = Object.entries(result.events).map(([type, count]) => [told("event", type), number(count)]);
  return [
    result.watched_before && h("p", { class: "notice" }, t("film.watched_before")),
    result.broken_off && h("div", { class: "notice" }, h("p", null, t("film.broken_off")), inEnglish(result.broken_off)),
    facts([[t("film.source"), result.source], [t("film.frames"), number(result.frames)], [t("film.seconds"), lasted(result.seconds)], [t("film.passages"), number(result.passages)], ...events]),
    h("p", null, h("a", { href: link(gallery, "events") }, t("film.events"))),
  ];
}
