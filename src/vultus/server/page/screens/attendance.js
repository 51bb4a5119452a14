// Who was here on which day: first and last seen.

import { ask, at } from "../api.js";
import { h, show } from "../dom.js";
import { button, empty, failure, field, table } from "../parts/notes.js";
import { link } from "../shell.js";
import { clock, lasted, longDay, t } from "../words.js";

const DAY_MS = 86_400_000;

/** Show the screen: today, until other days are chosen. */
export async function openAttendance(page, { gallery, gone }) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  const from = h("input", { type: "date", id: "from", value: iso(0) });
  const to = h("input", { type: "date", id: "to", value: iso(0) });
  const file = h("a", { class: "button", download: "" }, t("attendance.csv"));
  const list = h("div");
  let turn = 0;
  const draw = async () => {
    const mine = (turn += 1);
    const query = { from: from.value, to: to.value, zone };
    file.href = `${at(gallery, "attendance")}?${new URLSearchParams({ ...query, form: "csv" })}`;
    const answer = await ask("GET", at(gallery, "attendance"), { query }).catch((error) => error);
    if (gone() || mine !== turn) return;
    show(list, answer instanceof Error ? failure(answer) : days(answer.attendance, gallery));
  };
  const last = (n) => {
    from.value = iso(1 - n);
    to.value = iso(0);
    return draw();
  };
  [from, to].forEach((one) => one.addEventListener("change", draw));
  page.append(
    h("p", null, t("attendance.what", { zone })),
    h("div", { class: "tools" }, field(t("attendance.from"), from), field(t("attendance.to"), to), button(t("attendance.today"), () => last(1)), button(t("attendance.week"), () => last(7)), file),
    list,
    h("p", { class: "small" }, t("attendance.means")),
  );
  await draw();
}

/** A day by this machine's clock, so many days from now, as its input takes it. */
function iso(daysFromNow) {
  const at = new Date(Date.now() + daysFromNow * DAY_MS);
  return [at.getFullYear(), at.getMonth() + 1, at.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
}

function days(rows, gallery) {
  if (!rows.length) return empty(t("attendance.none"));
  const byDay = grouped(rows);
  return [...byDay].map(([day, people]) => h("section", null, h("h2", null, longDay(day)), h("p", { class: "small" }, t("attendance.people", { n: people.length })), dayTable(people, gallery, longDay(day))));
}

function grouped(rows) {
  const found = new Map();
  for (const row of rows) found.set(row.day, [...(found.get(row.day) ?? []), row]);
  return found;
}

function dayTable(people, gallery, caption) {
  const heads = [t("attendance.who"), t("attendance.first"), t("attendance.last"), t("attendance.visits"), t("attendance.seen")];
  const rows = people.map((one) => [
    h("a", { href: link(gallery, "people", one.person) }, one.name),
    clock(one.first),
    one.here ? h("span", { class: "tag" }, t("attendance.here")) : clock(one.last),
    String(one.visits),
    lasted(one.seen_s),
  ]);
  return table(heads, rows, caption);
}
