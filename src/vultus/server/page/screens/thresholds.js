// What rates mean here: the threshold of each, for comparisons and for searches in this gallery.

import { ask, at } from "../api.js";
import { h, show } from "../dom.js";
import { chart } from "../parts/chart.js";
import { facts, failure, field, table } from "../parts/notes.js";
import { day, number, rate, similarity, t } from "../words.js";

const DEFAULT_FPIR = 0.01;

/** Show the screen. */
export async function openThresholds(page, { gallery }) {
  const told = await ask("GET", at(gallery, "thresholds"));
  const known = told.searches.filter((rule) => rule.threshold);
  page.append(
    h("p", null, t("thresholds.what")),
    about(told),
    h("h2", null, t("thresholds.searches", { n: told.people })),
    known.length ? meaning(told, known) : failure({ code: "no-threshold", message: told.searches[0].refusal }),
    rulesTable(told.searches, t("thresholds.fpir"), true),
    h("h2", null, t("thresholds.curves")),
    curves(told),
    h("h2", null, t("thresholds.by_size")),
    h("p", null, t("thresholds.by_size_what")),
    bySize(told),
    h("h2", null, t("thresholds.comparisons")),
    rulesTable(told.comparisons, t("thresholds.fmr"), false),
  );
}

function about(told) {
  const site = told.calibration;
  const origin = site ? t("thresholds.site", { n: site.people, photos: site.photos, day: day(site.created_at) }) : t("thresholds.model_only");
  return facts([
    [t("overview.model"), told.model],
    [t("thresholds.stands_on"), origin],
  ]);
}

/** A sentence of what the chosen rate means for so many visitors. */
function meaning(told, known) {
  const choice = h("select", { id: "meant" }, known.map((rule) => h("option", { value: rule.asked }, rate(rule.asked))));
  choice.value = String((known.find((rule) => rule.asked === DEFAULT_FPIR) ?? known.at(-1)).asked);
  const said = h("p", { class: "notice", role: "status" });
  const tell = () => {
    const rule = known.find((one) => String(one.asked) === choice.value);
    const strangers = Number((1000 * rule.asked).toPrecision(2));
    const parts = [t("thresholds.means", { n: strangers, threshold: similarity(rule.threshold.similarity) })];
    if (rule.fnir !== null) parts.push(t("thresholds.misses", { n: Number((1000 * rule.fnir).toPrecision(2)) }));
    show(said, parts.join(" "));
  };
  choice.addEventListener("change", tell);
  tell();
  return h("div", null, h("div", { class: "tools" }, field(t("identify.fpir"), choice)), said);
}

function rulesTable(rules, name, search) {
  const heads = [name, t("thresholds.threshold"), ...(search ? [t("thresholds.at_most"), t("thresholds.missed")] : [t("thresholds.pairs")]), t("thresholds.origin")];
  return table(heads, rules.map((rule) => ruleRow(rule, search)), name);
}

function ruleRow(rule, search) {
  if (!rule.threshold) {
    const why = folded(t("thresholds.not_carried"), rule.refusal);
    return [rate(rule.asked), "–", "–", ...(search ? ["–"] : []), why];
  }
  const pairs = rule.threshold.n_impostor;
  const more = search ? [rate(rule.fpir_high), rule.fnir === null ? "–" : missed(rule)] : [pairs ? number(pairs) : "–"];
  const measured = search ? rule.fpir_high !== null : pairs && rule.threshold.fmr_by_tail === undefined;
  return [rate(rule.asked), similarity(rule.threshold.similarity), ...more, folded(t(measured ? "thresholds.counted" : "thresholds.computed"), rule.threshold.origin)];
}

function folded(words, text) {
  return h("details", { class: "small" }, h("summary", null, words), h("p", { lang: "en" }, text));
}

function missed(rule) {
  return rule.fnir_high === null ? rate(rule.fnir) : t("thresholds.up_to", { rate: rate(rule.fnir), high: rate(rule.fnir_high) });
}

function curves(told) {
  const points = (rules, value = (rule) => rule.asked) => rules.filter((rule) => rule.threshold && value(rule) > 0).map((rule) => [rule.threshold.similarity, value(rule)]);
  const series = [
    { name: t("thresholds.fpir_here", { n: told.people }), kind: "fpir", points: points(told.searches) },
    { name: t("thresholds.fnir_here"), kind: "fnir", points: points(told.searches, (rule) => rule.fnir ?? 0) },
    { name: t("thresholds.fmr"), kind: "fmr", points: steps(told.comparisons) },
  ];
  if (!series.some((one) => one.points.length)) return null;
  const now = told.searches.find((rule) => rule.asked === DEFAULT_FPIR)?.threshold?.similarity ?? null;
  return chart({ series, mark: now, xLabel: t("thresholds.similarity"), yLabel: t("thresholds.rate"), label: t("thresholds.curves") });
}

/** One point a threshold, at the rate that it keeps: several rates may be asked of one. */
function steps(rules) {
  const kept = new Map(rules.filter((rule) => rule.threshold).map((rule) => [rule.threshold.similarity, Math.min(rule.asked, rule.threshold.fmr ?? rule.asked)]));
  return [...kept];
}

function bySize(told) {
  const at = (rules, asked) => rules.find((rule) => rule.asked === asked);
  const rates = [0.1, 0.01, 0.001];
  const cell = (rule) => (rule?.threshold ? `${similarity(rule.threshold.similarity)}${rule.fnir === null ? "" : ` · ${t("thresholds.missed_short", { rate: rate(rule.fnir) })}`}` : "–");
  const rows = told.sizes.map((size) => [number(size.people), ...rates.map((asked) => cell(at(size.searches, asked)))]);
  return table([t("thresholds.people"), ...rates.map((asked) => t("thresholds.fpir_of", { rate: rate(asked) }))], rows, t("thresholds.by_size"));
}
