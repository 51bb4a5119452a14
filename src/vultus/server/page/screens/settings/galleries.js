// The galleries of the service: made here, and deleted for good.

import { ask, at } from "../../api.js";
import { h } from "../../dom.js";
import { askFirst } from "../../parts/ask_first.js";
import { field, named, say, saveJson, table, working } from "../../parts/notes.js";
import { number, t } from "../../words.js";

/** A section with all galleries; `changed` is called when there are others. */
export async function galleryList(changed) {
  const { galleries } = await ask("GET", "/v1/galleries");
  const told = h("div");
  const id = h("input", { id: "gallery-id", maxlength: "64", autocomplete: "off", spellcheck: "false" });
  const make = async () => {
    const made = await ask("POST", "/v1/galleries", { json: { id: id.value.trim() } });
    await changed(made.id);
    say(t("galleries.made", { name: made.id }));
  };
  const rows = galleries.map((one) => [one.id, number(one.people), one.model, named(working(t("galleries.delete"), () => remove(one, changed), told, { class: "plain" }), one.id)]);
  return h(
    "section",
    null,
    h("h2", null, t("galleries.title")),
    h("p", null, t("galleries.what")),
    table([t("overview.name"), t("thresholds.people"), t("overview.model"), ""], rows, t("galleries.title")),
    h("div", { class: "tools" }, field(t("galleries.id"), id, t("galleries.id_hint")), working(t("galleries.make"), make, told)),
    told,
  );
}

/** The name is typed, so that nobody deletes one by a slip of the hand. */
async function remove(gallery, changed) {
  const typed = h("input", { id: "typed", autocomplete: "off", spellcheck: "false" });
  let done = null;
  const yes = await askFirst({
    title: t("galleries.delete_title", { name: gallery.id }),
    text: t("galleries.delete_text", { n: gallery.people }),
    yes: t("galleries.delete_yes"),
    body: [field(t("galleries.type", { name: gallery.id }), typed)],
    danger: true,
    action: async () => {
      if (typed.value.trim() !== gallery.id) throw new Error(t("galleries.not_typed", { name: gallery.id }));
      done = await ask("DELETE", at(gallery.id), { query: { confirm: gallery.id } });
    },
  });
  if (!yes) return;
  if (done) saveJson(done, "gallery-deletion.json");
  await changed(null);
  say(t("galleries.deleted", { name: gallery.id }));
}
