// What is told of success and failure, and the small things that every screen is made of.

import { h } from "../dom.js";
import { day, language, t, told } from "../words.js";

/** What went wrong, in the reader's words where the code is known, with the service's own beside. */
export function failure(error) {
  const words = error.code ? [h("strong", null, told("problem", error.code)), inEnglish(error.message)] : h("strong", null, error.message);
  return h("div", { class: "warning", role: "alert" }, words);
}

/** What the service says, in English: beside the words where the page speaks it, else folded. */
export function inEnglish(text, props = {}) {
  if (!text) return null;
  if (language() === "en") return h("p", props, text);
  return h("details", { ...props, class: `small ${props.class ?? ""}` }, h("summary", null, t("in_english")), h("p", { lang: "en" }, text));
}

/** Say something in passing; a screen reader reads it out. */
export function say(text) {
  const place = document.getElementById("told");
  const note = h("p", null, text);
  place.append(note);
  setTimeout(() => note.remove(), 6000);
}

/** Words of the page as elements: what stands between backticks is typed as it is, in every language. */
export function withCode(text) {
  return text.split("`").map((part, place) => (place % 2 ? h("code", { translate: "no" }, part) : part));
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
    hint && h("p", { class: "small", id: `${id}-hint` }, withCode(hint)),
  );
}

/** A button. */
export function button(text, onclick, props = {}) {
  return h("button", { type: "button", onclick, ...props }, text);
}

/**
 * Do something slow by a button, which cannot be pressed meanwhile; failures go to `where`.
 *
 * It is not disabled: the keyboard would lose its place.
 */
export function working(text, action, where, props = {}) {
  const act = async () => {
    if (one.hasAttribute("aria-disabled")) return;
    one.setAttribute("aria-disabled", "true");
    where.replaceChildren();
    try {
      await action();
    } catch (error) {
      where.append(failure(error));
    }
    one.removeAttribute("aria-disabled");
  };
  const one = button(text, act, props);
  return one;
}

/** A name for screen readers that says more than the button shows: of which row it is. */
export function named(element, text) {
  if (element instanceof Element) element.setAttribute("aria-label", `${element.textContent}: ${text}`);
  return element;
}

const SHORT = 26;

/**
 * A table; each row is a list of texts and elements. A head that is empty is that of buttons.
 *
 * On a phone each row is a card, each cell with its head: the roles keep it a table for who hears it.
 */
export function table(heads, rows, caption) {
  const head = (text) => h("th", { scope: "col", role: "columnheader" }, text || h("span", { class: "spoken" }, t("table.actions")));
  const shown = (cells) => h("tr", { role: "row" }, cells.map((cell, place) => tableCell(cell, heads[place])));
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      { role: "table" },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads.map(head))),
      h("tbody", { role: "rowgroup" }, rows.map(shown)),
    ),
  );
}

function tableCell(cell, head) {
  const none = cell == null || cell === false || cell === "";
  const short = typeof cell === "string" && cell.length <= SHORT;
  return h("td", { role: "cell", class: none ? "none" : short ? "short" : null, "data-head": head }, h("div", null, cell));
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
  const letters = words.length > 1 ? signs(words[0])[0] + signs(words.at(-1))[0] : signs(words[0]).slice(0, 2).join("");
  return h("span", { class: "avatar", "aria-hidden": "true" }, letters.toUpperCase());
}

/** What one reads as one sign: an emoji of several parts is one. */
function signs(word) {
  return [...new Intl.Segmenter().segment(word)].map((one) => one.segment);
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
