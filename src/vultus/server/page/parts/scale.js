// Similarities on a line, against the threshold: what is right of it passes.

import { h, s } from "../dom.js";
import { similarity, t } from "../words.js";

/** A scale; `points` are `{value, label, best}`, the best drawn full. */
export function scale({ threshold, points }) {
  const values = [threshold, ...points.map((point) => point.value)];
  const low = Math.min(0, Math.floor(10 * Math.min(...values)) / 10);
  const x = (value) => `${(100 * (Math.min(value, 1) - low)) / (1 - low)}%`;
  const words = points.map((point) => `${point.label} ${similarity(point.value)}`);
  const label = t("scale.label", { points: words.join(", "), threshold: similarity(threshold) });
  return h(
    "div",
    { class: "scale" },
    s(
      "svg",
      { role: "img", "aria-label": label, width: "100%", height: "46" },
      s("rect", { class: "ground", x: "0", y: "16", width: "100%", height: "10", rx: "5" }),
      s("rect", { class: "passes", x: x(threshold), y: "16", width: `${100 - parseFloat(x(threshold))}%`, height: "10", rx: "5" }),
      s("line", { class: "threshold", x1: x(threshold), x2: x(threshold), y1: "10", y2: "32" }),
      points.toReversed().map((point) => dot(point, x(point.value), point.value >= threshold)),
      mark(x(threshold), similarity(threshold), "9", "threshold-text"),
      mark("0%", similarity(low).slice(0, -2), "44"),
      mark("100%", "1", "44"),
    ),
  );
}

function dot(point, cx, passes) {
  const kind = `dot ${point.best ? "best" : ""} ${passes ? "above" : "under"}`;
  return s("circle", { class: kind, cx, cy: "21", r: point.best ? "7" : "4.5" }, s("title", null, `${point.label} ${similarity(point.value)}`));
}

function mark(x, text, y, kind = "") {
  const part = parseFloat(x);
  const anchor = part < 6 ? "start" : part > 94 ? "end" : "middle";
  return s("text", { class: kind, x, y, "text-anchor": anchor }, text);
}
