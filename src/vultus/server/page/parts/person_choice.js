// One of the people who are enrolled, chosen by typing a name.

import { ask, at } from "../api.js";
import { h, show } from "../dom.js";

const SHOWN = 20;

/** A field that suggests names; `chosen` finds the person whose name it is, or null. */
export function personChoice(gallery, id) {
  const names = h("datalist", { id: `${id}-names` });
  const input = h("input", { id, list: names.id, autocomplete: "off", spellcheck: "false" });
  const like = async (query) => (await ask("GET", at(gallery, "people"), { query: { query, limit: SHOWN } })).people;
  let waiting = 0;
  const suggest = async () => {
    const people = await like(input.value.trim()).catch(() => []);
    show(names, people.map((person) => h("option", { value: person.name })));
  };
  input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(suggest, 200);
  });
  const chosen = async () => {
    const name = input.value.trim().normalize("NFC");
    const people = name ? await like(name) : [];
    return people.find((person) => person.name === name) ?? null;
  };
  return { input, names, chosen };
}
