// The fields of a monitor: for a new one, for one that is changed, for a film that is sent.

import { h } from "../dom.js";
import { field } from "./notes.js";
import { number, t } from "../words.js";

const RATES = [0.001, 0.01, 0.05];

/** The fields; `values` gives what was put in, `element` is to be shown. */
export class WatchFields {
  constructor(id, known = {}) {
    const { fpir = 0.01, threshold = null, cautious = null, window_s = 30, every = 1, snapshots = false } = known;
    const rates = RATES.includes(fpir) ? RATES : [...RATES, fpir].sort((a, b) => a - b);
    this.fpir = h("select", { id: `${id}-fpir` }, rates.map((value) => h("option", { value }, t("live.fpir_of", { n: number(Math.round(1 / value)) }))));
    this.fpir.value = String(fpir);
    this.cautious = h("select", { id: `${id}-cautious` }, ["null", "true", "false"].map((value) => h("option", { value }, t(`live.cautious_${value}`))));
    this.cautious.value = String(cautious);
    this.threshold = h("input", { id: `${id}-threshold`, type: "number", min: "-1", max: "1", step: "any", value: threshold ?? "" });
    this.window = h("input", { id: `${id}-window`, type: "number", min: "0", max: "86400", value: window_s });
    this.every = h("input", { id: `${id}-every`, type: "number", min: "1", max: "100", value: every });
    this.snapshots = h("input", { type: "checkbox", id: `${id}-snapshots`, checked: snapshots });
  }

  get element() {
    return [
      field(t("live.fpir"), this.fpir),
      field(t("live.cautious"), this.cautious, t("live.cautious_hint")),
      field(t("live.threshold"), this.threshold, t("live.threshold_hint")),
      field(t("live.window"), this.window, t("live.window_hint")),
      field(t("live.every"), this.every, t("live.every_hint")),
      field(t("live.snapshots"), this.snapshots, t("live.snapshots_hint")),
    ];
  }

  get values() {
    return {
      fpir: Number(this.fpir.value),
      threshold: this.threshold.value === "" ? null : Number(this.threshold.value),
      cautious: JSON.parse(this.cautious.value),
      window_s: Number(this.window.value),
      every: Number(this.every.value),
      snapshots: this.snapshots.checked,
    };
  }
}
