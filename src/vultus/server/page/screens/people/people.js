// The people of a gallery: a grid with search; one person and enrolment are screens of their own.

import { ask, at, may } from "../../api.js";
import { h, show } from "../../dom.js";
import { avatar, button, chips, empty, failure, field, until } from "../../parts/notes.js";
import { link } from "../../shell.js";
import { t } from "../../words.js";
import { openEnrol } from "./enrol.js";
import { openPerson } from "./person.js";

const PAGE = 60;

/** Show everybody, one person (`#/gallery/people/id`), or the enrolment (`.../people/new`). */
export async function openPeople(page, given) {
  const [what] = given.rest;
  if (what === "new") return openEnrol(page, given);
  if (what) return openPerson(page, given);
  return openGrid(page, given);
}

async function openGrid(page, { gallery, told, gone }) {
  const search = h("input", { type: "search", id: "search", autocomplete: "off", spellcheck: "false" });
  const grid = h("ul", { class: "grid people-grid" });
  const count = h("p", { class: "small", role: "status" });
  const trouble = h("div");
  let list = null;
  let anew = true;
  const more = button(t("people.more"), () => load(list), { class: "plain" });
  const load = async (asked) => {
    try {
      await asked.load();
    } catch (error) {
      return show(trouble, failure(error));
    }
    if (gone() || asked !== list) return;
    if (anew) show(grid);
    anew = false;
    grid.append(...list.people.slice(grid.childElementCount).map((person) => card(person, gallery)));
    count.textContent = t("people.shown", { n: list.people.length, all: told.people });
    more.hidden = list.ended;
    if (list.ended && !list.people.length) show(grid, h("li", { class: "whole" }, empty(t(list.query || list.group ? "people.not_found" : "people.none"))));
  };
  const group = h("select", { id: "group" });
  const begin = () => {
    anew = true;
    return load((list = new PeopleList(gallery, search.value.trim(), group.value)));
  };
  group.addEventListener("change", begin);
  let waiting = 0;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(begin, 200);
  });
  page.append(
    h("div", { class: "tools" }, field(t("people.search"), search), field(t("people.group"), group), may("operator") && h("a", { class: "button main", href: link(gallery, "people", "new") }, t("people.enrol"))),
    trouble,
    count,
    grid,
    more,
  );
  Object.assign(told, await ask("GET", at(gallery)));
  show(group, h("option", { value: "" }, t("events.all")), Object.keys(told.groups).map((name) => h("option", { value: name }, name)));
  await begin();
}

/** People, loaded page by page: all, or those in whose name or id something is. */
export class PeopleList {
  constructor(gallery, query = "", group = "") {
    this.gallery = gallery;
    this.query = query;
    this.group = group;
    this.people = [];
    this.next = "";
    this.ended = false;
  }

  /** Load more: so many at least, unless there are no more. */
  async load(least = PAGE) {
    const wanted = this.people.length + least;
    while (!this.ended && this.people.length < wanted) {
      const query = { cursor: this.next, limit: wanted - this.people.length, query: this.query, group: this.group };
      const answer = await ask("GET", at(this.gallery, "people"), { query });
      this.people.push(...answer.people);
      this.next = answer.next;
      this.ended = answer.next === null;
    }
  }
}

function card(person, gallery) {
  return h(
    "li",
    null,
    h(
      "a",
      { class: "person-card", href: link(gallery, "people", person.id) },
      avatar(person.name),
      h(
        "span",
        null,
        h("strong", null, person.name),
        h("span", { class: "small" }, t("people.photos", { n: person.photos }), person.external_id && ` · ${person.external_id}`),
        person.expires_at && h("span", { class: "small" }, until(person.expires_at)),
        chips(person.groups),
      ),
    ),
  );
}
