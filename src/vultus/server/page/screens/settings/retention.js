// How long what is kept: by the service in all galleries, and in this one.

import { ask, at } from "../../api.js";
import { h, show } from "../../dom.js";
import { askFirst } from "../../parts/ask_first.js";
import { facts, field, say, working } from "../../parts/notes.js";
import { number, t, time } from "../../words.js";

const FIELDS = ["every_h", "jobs_days", "deliveries_days", "answers_h"];
const LEAST = { every_h: "0.02" };

/** The schedule of the service, and what of this gallery is over when. */
export async function retention(gallery) {
  const [schedule, here, waiting] = [h("div"), h("div"), h("div")];
  const drawHere = () => drawGallery(here, gallery);
  await Promise.all([drawSchedule(schedule), drawHere(), drawReview(waiting, gallery, drawHere)]);
  return h(
    "section",
    null,
    h("h2", null, t("settings.retention")),
    h("p", null, t("retention.what")),
    schedule,
    h("h3", null, t("retention.gallery", { name: gallery })),
    here,
    h("h3", null, t("retention.review")),
    waiting,
  );
}

async function drawSchedule(place) {
  const rules = await ask("GET", "/v1/retention");
  const inputs = FIELDS.map((name) => h("input", { id: `retention-${name}`, type: "number", min: LEAST[name] ?? "0.1", step: "any", required: true, value: rules[name] }));
  const told = h("div");
  const save = async () => {
    checked(inputs);
    await ask("PUT", "/v1/retention", { json: Object.fromEntries(FIELDS.map((name, place) => [name, Number(inputs[place].value)])) });
    await drawSchedule(place);
    say(t("person.saved"));
  };
  const unset = async () => {
    await ask("DELETE", "/v1/retention");
    await drawSchedule(place);
    say(t("person.saved"));
  };
  show(
    place,
    facts([
      [t("retention.last"), rules.last_at ? time(rules.last_at) : t("retention.not_yet")],
      [t("retention.next"), rules.next_at ? time(rules.next_at) : t("retention.not_yet")],
    ]),
    h("div", { class: "fields" }, FIELDS.map((name, place) => field(t(`retention.${name}`), inputs[place]))),
    h("div", { class: "actions" }, working(t("retention.save"), save, told), rules.was_set && working(t("retention.unset"), unset, told, { class: "plain" })),
    told,
  );
}

async function drawGallery(place, gallery) {
  const rules = await ask("GET", at(gallery, "retention"));
  const days = h("input", { id: "events-days", type: "number", min: "0.1", step: "any", value: rules.events_days });
  const told = h("div");
  const save = async () => {
    checked([days]);
    const wanted = days.value === "" ? null : Number(days.value);
    const sure = wanted === null || (await askFirst({ title: t("retention.events_title"), text: t("retention.events_text", { n: wanted }), yes: t("retention.save"), danger: true }));
    if (!sure) return;
    await ask("PUT", at(gallery, "retention"), { json: { events_days: wanted } });
    await drawGallery(place, gallery);
    say(t("person.saved"));
  };
  show(
    place,
    facts([
      [t("retention.due"), number(rules.people_due)],
      [t("retention.next_person"), rules.next_person_at ? time(rules.next_person_at) : t("retention.nobody")],
    ]),
    h("div", { class: "tools" }, field(t("retention.events_days"), days, t("retention.for_ever")), working(t("retention.save"), save, told)),
    told,
  );
}

/** For how long faces that nobody could name are kept; nothing is until somebody says so. */
async function drawReview(place, gallery, changed) {
  const { rules } = await ask("GET", at(gallery, "review"), { query: { limit: 1 } });
  const days = h("input", { id: "days", type: "number", min: "0.1", max: "3650", step: "any", required: true, value: rules?.days ?? 30 });
  const told = h("div");
  const again = () => Promise.all([drawReview(place, gallery, changed), changed()]);
  const allow = async () => {
    checked([days]);
    await ask("PUT", at(gallery, "review"), { json: { days: Number(days.value), doubtful_within: rules?.doubtful_within ?? 0 } });
    await again();
    say(t("person.saved"));
  };
  const forbid = async () => {
    const yes = await askFirst({ title: t("settings.forbid_title"), text: t("settings.forbid_text"), yes: t("settings.forbid"), danger: true });
    if (!yes) return;
    const { deleted } = await ask("DELETE", at(gallery, "review"));
    await again();
    say(t("review.dismissed", { n: deleted }));
  };
  show(
    place,
    h("p", null, t(rules ? "settings.kept" : "settings.not_kept")),
    h("div", { class: "tools" }, field(t("settings.days"), days), working(t(rules ? "retention.save" : "review.allow"), allow, told), rules && working(t("settings.forbid"), forbid, told, { class: "danger" })),
    told,
  );
}

/** What was written is a number that can be meant; else the browser says what it must be. */
function checked(inputs) {
  const wrong = inputs.find((input) => !input.checkValidity());
  if (!wrong) return;
  wrong.focus();
  throw new Error(`${wrong.labels[0]?.textContent ?? ""}: ${t("retention.number", { least: Number(wrong.min) })}`);
}
