// What is told of success and failure, and the small things that every screen is made of.

import { h } from "../dom.js";
import { day, t, told } from "../words.js";

/** What went wrong, in the reader's words where the code is known, with the service's own beside. */
export function failure(error) {
  return h(
    "div",
    { class: "warning", role: "alert" },
    h("strong", null, error.code ? told("problem", error.code) : t("problem.unreachable")),
    h("p", null, error.message),
  );
}

/** Say something in passing; a screen reader reads it out. */
export function say(text) {
  const place = document.getElementById("told");
  const note = h("p", null, text);
  place.append(note);
  setTimeout(() => note.remove(), 6000);
}

/** A field with its label and what it means. */
export function field(label, input, hint) {
  const id = input.id || (input.id = `f${(counter += 1)}`);
  if (hint) input.setAttribute("aria-describedby", `${id}-hint`);
  return h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    input,
    hint && h("p", { class: "small", id: `${id}-hint` }, hint),
  );
}

/** A button. */
export function button(text, onclick, props = {}) {
  return h("button", { type: "button", onclick, ...props }, text);
}

/** Do something slow by a button, which cannot be pressed meanwhile; failures go to `where`. */
export function working(text, action, where, props = {}) {
  const one = button(
    text,
    async () => {
      one.disabled = true;
      where.replaceChildren();
      try {
        await action();
      } catch (error) {
        where.append(failure(error));
      }
      one.disabled = false;
    },
    props,
  );
  return one;
}

const SHORT = 26;

/** A table; each row is a list of texts and elements. */
export function table(heads, rows, caption) {
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      null,
      h("thead", null, h("tr", null, heads.map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", null, rows.map((cells) => h("tr", null, cells.map((cell) => h("td", { class: typeof cell === "string" && cell.length <= SHORT ? "short" : null }, cell))))),
    ),
  );
}

/** Facts as pairs; those without a value are left out. */
export function facts(pairs) {
  const known = pairs.filter(([, value]) => value != null && value !== "" && value !== false);
  return h("dl", { class: "pairs-of-facts" }, known.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))));
}

/** A figure with what it counts. */
export function figure(value, label, hint) {
  return h("div", { class: "figure" }, h("strong", null, value), h("span", null, label), hint && h("small", null, hint));
}

/** Groups and the like. */
export function chips(texts) {
  return texts.length ? h("ul", { class: "chips" }, texts.map((text) => h("li", null, text))) : null;
}

/** The letters that stand for a person where there is no photo: none is kept. */
export function avatar(name) {
  const words = name.trim().split(/\s+/);
  const letters = words.length > 1 ? [...words[0]][0] + [...words.at(-1)][0] : [...words[0]].slice(0, 2).join("");
  return h("span", { class: "avatar", "aria-hidden": "true" }, letters.toUpperCase());
}

/** Nothing here yet, and what to do about it. */
export function empty(text, ...actions) {
  return h("div", { class: "empty" }, h("p", null, text), actions);
}

/** "until 3 May 2027", or nothing. */
export function until(text) {
  return text ? t("until", { day: day(text) }) : "";
}

let counter = 0;

/** Let the browser save a value as a file of JSON. */
export function saveJson(value, name) {
  const address = URL.createObjectURL(new Blob([JSON.stringify(value, null, 2)], { type: "application/json" }));
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}
