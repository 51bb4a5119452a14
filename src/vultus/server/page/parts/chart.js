// Curves on paper: a rate by threshold, the rate on a scale of powers of ten.

import { h, s } from "../dom.js";
import { number, rate } from "../words.js";

const WIDTH = 640;
const HEIGHT = 300;
const EDGE = { left: 118, right: 16, top: 14, bottom: 40 };

/** A chart; `series` are `{name, kind, points: [[threshold, rate], ...]}`. */
export function chart({ series, xLabel, yLabel, mark = null, label }) {
  const shown = series.filter((one) => one.points.length);
  const xs = shown.flatMap((one) => one.points.map(([x]) => x));
  const ys = shown.flatMap((one) => one.points.map(([, y]) => y)).filter((y) => y > 0);
  const low = Math.floor(10 * Math.min(...xs)) / 10;
  const high = Math.ceil(10 * Math.max(...xs) + 1e-9) / 10;
  const least = Math.floor(Math.log10(Math.min(...ys)) + 1e-9);
  const x = (value) => EDGE.left + ((value - low) / (high - low)) * (WIDTH - EDGE.left - EDGE.right);
  const y = (value) => EDGE.top + (Math.log10(Math.max(value, 10 ** least)) / least) * (HEIGHT - EDGE.top - EDGE.bottom);
  return h(
    "figure",
    { class: "chart" },
    s(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label },
      grid(least, low, high, x, y),
      mark !== null && s("line", { class: "mark", x1: x(mark), x2: x(mark), y1: EDGE.top, y2: HEIGHT - EDGE.bottom }),
      shown.map((one) => curve(one, x, y)),
      s("text", { class: "axis", x: (WIDTH + EDGE.left) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, xLabel),
      s("text", { class: "axis", x: 12, y: HEIGHT / 2, "text-anchor": "middle", transform: `rotate(-90 12 ${HEIGHT / 2})` }, yLabel),
    ),
    h("figcaption", null, h("ul", { class: "legend" }, shown.map((one) => h("li", null, h("i", { class: `key ${one.kind}` }), one.name)))),
  );
}

function grid(least, low, high, x, y) {
  const lines = [];
  for (let power = 0; power >= least; power -= 1) {
    const at = y(10 ** power);
    lines.push(s("line", { class: "grid-line", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: at, y2: at }));
    lines.push(s("text", { x: EDGE.left - 8, y: at + 4, "text-anchor": "end" }, rate(10 ** power)));
  }
  const step = high - low > 0.5 ? 0.2 : 0.1;
  for (let value = low; value <= high + 1e-9; value += step) {
    lines.push(s("text", { x: x(value), y: HEIGHT - EDGE.bottom + 16, "text-anchor": "middle" }, number(value, 1)));
  }
  return lines;
}

function curve({ points, kind }, x, y) {
  const path = points.map(([a, b], place) => `${place ? "L" : "M"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("");
  return [s("path", { class: `curve ${kind}`, d: path }), points.map(([a, b]) => s("circle", { class: `knot ${kind}`, cx: x(a), cy: y(b), r: 3 }))];
}
