// The page's words: one file a language, and how numbers and times are written in it.

export const LANGUAGES = { en: "English", zh: "中文" };
const LOCALES = { en: "en-GB", zh: "zh-CN" };
const KEPT = "vultus-language";

let words = {};
let code = "en";

/** The language that was chosen here, or else the browser's, or English. */
export function wantedLanguage() {
  const wanted = [localStorage.getItem(KEPT), ...navigator.languages].filter(Boolean);
  return wanted.map((name) => name.slice(0, 2).toLowerCase()).find((name) => name in LANGUAGES) ?? "en";
}

/** Load a language's words. */
export async function useLanguage(name) {
  const answer = await fetch(`/page/words/${name}.json`);
  words = await answer.json();
  code = name;
  document.documentElement.lang = LOCALES[name];
}

/** Choose a language for good. */
export async function chooseLanguage(name) {
  localStorage.setItem(KEPT, name);
  await useLanguage(name);
}

/** Which language the words are in. */
export function language() {
  return code;
}

/** The words of a key, with `{name}` filled in; `{n}` chooses between one and many. */
export function t(key, values = {}) {
  let text = words[key];
  if (text === undefined) return key;
  if (typeof text === "object") {
    text = text[new Intl.PluralRules(LOCALES[code]).select(values.n)] ?? text.other;
  }
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? number(value) : apart(value);
  });
}

const LEFTWARDS = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;

/** A name that is written from right to left does not turn the sentence around it. */
function apart(value) {
  return LEFTWARDS.test(value) ? `\u2068${value}\u2069` : value;
}

/** The words of `family.value`, or the value itself where nobody wrote any. */
export function told(family, value) {
  return words[`${family}.${value}`] === undefined ? String(value) : t(`${family}.${value}`);
}

/** A number as this language writes it. */
export function number(value, digits) {
  const shown = digits === undefined ? {} : { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(LOCALES[code], shown).format(value);
}

/** A similarity, or the like: three digits. */
export function similarity(value) {
  return value == null ? "–" : number(value, 3);
}

/** A small rate in words that can be read: 1 %, or 1 in 10,000. */
export function rate(value) {
  if (value == null) return "–";
  if (value === 0) return "0";
  if (value >= 0.0095) return `${number(Number((100 * value).toPrecision(2)))}\u00a0%`;
  return t("rate.one_in", { n: Number((1 / value).toPrecision(2)) });
}

/** A time that people read; nothing for none. */
export function time(text) {
  if (!text) return "";
  const shown = { dateStyle: "medium", timeStyle: "short" };
  return new Intl.DateTimeFormat(LOCALES[code], shown).format(new Date(text));
}

/** A day that people read. */
export function day(text) {
  return text ? new Intl.DateTimeFormat(LOCALES[code], { dateStyle: "medium" }).format(new Date(text)) : "";
}

/** The time of a day, with seconds, by this machine's clock. */
export function clock(text) {
  return text ? new Intl.DateTimeFormat(LOCALES[code], { timeStyle: "medium" }).format(new Date(text)) : "";
}

/** A day as "2027-01-31", with its weekday. */
export function longDay(text) {
  return new Intl.DateTimeFormat(LOCALES[code], { dateStyle: "full", timeZone: "UTC" }).format(new Date(`${text}T00:00:00Z`));
}

/** How long something lasted, in hours, minutes and seconds. */
export function lasted(seconds) {
  const whole = Math.round(seconds);
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map((part) => String(part).padStart(2, "0"));
  return [Math.floor(whole / 3600), ...parts].join(":");
}
