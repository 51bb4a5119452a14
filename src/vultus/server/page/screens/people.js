// The people of a gallery: a grid with search; one person and enrolment are screens of their own.

import { ask, at, may } from "../api.js";
import { h, show } from "../dom.js";
import { avatar, button, chips, empty, failure, field, until } from "../parts/notes.js";
import { link } from "../shell.js";
import { t } from "../words.js";
import { openEnrol } from "./enrol.js";
import { openPerson } from "./person.js";

const PAGE = 60;
const SEARCHED_AT_ONCE = 1000;

/** Show everybody, one person (`#/gallery/people/id`), or the enrolment (`.../people/new`). */
export async function openPeople(page, given) {
  const [what] = given.rest;
  if (what === "new") return openEnrol(page, given);
  if (what) return openPerson(page, given);
  return openGrid(page, given);
}

async function openGrid(page, { gallery, told, gone }) {
  const list = new PeopleList(gallery);
  const search = h("input", { type: "search", id: "search", autocomplete: "off", spellcheck: "false" });
  const grid = h("ul", { class: "grid people-grid" });
  const count = h("p", { class: "small", role: "status" });
  const more = button(t("people.more"), () => draw(() => list.load(PAGE)), { class: "plain" });
  const draw = async (load) => {
    try {
      await load();
    } catch (error) {
      return page.append(failure(error));
    }
    if (gone()) return;
    const found = list.matching(search.value);
    show(grid, found.map((person) => card(person, gallery)));
    count.textContent = t("people.shown", { n: found.length, all: Math.max(told.people, list.people.length) });
    more.hidden = list.ended || search.value.trim() !== "";
  };
  let waiting = 0;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => draw(() => list.loadAll(gone)), 150);
  });
  page.append(
    h("div", { class: "tools" }, field(t("people.search"), search), may("operator") && h("a", { class: "button main", href: link(gallery, "people", "new") }, t("people.enrol"))),
    count,
    grid,
    more,
  );
  await draw(() => list.load(PAGE));
  if (!list.people.length) show(grid, h("li", { class: "whole" }, empty(t("people.none"))));
}

/** People, loaded page by page; a search looks at all of them. */
export class PeopleList {
  constructor(gallery) {
    this.gallery = gallery;
    this.people = [];
    this.next = "";
    this.ended = false;
  }

  async load(limit) {
    if (this.ended) return;
    const answer = await ask("GET", at(this.gallery, "people"), { query: { cursor: this.next, limit } });
    this.people.push(...answer.people);
    this.next = answer.next;
    this.ended = answer.next === null;
  }

  async loadAll(stopped = () => false) {
    while (!this.ended && !stopped()) await this.load(SEARCHED_AT_ONCE);
  }

  matching(text) {
    const wanted = text.trim().toLowerCase();
    if (!wanted) return this.people;
    const words = ({ name, external_id, groups }) => [name, external_id ?? "", ...groups].join("\n").toLowerCase();
    return this.people.filter((person) => words(person).includes(wanted)).slice(0, 500);
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
