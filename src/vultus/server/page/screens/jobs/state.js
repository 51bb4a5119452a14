// How far a job is.

import { h } from "../../dom.js";
import { t, told } from "../../words.js";

const PAUSE_MS = 1000;
export const ENDED = ["done", "failed", "cancelled"];

/** Its state in a word. */
export function tag(job) {
  return h("span", { class: `tag ${job.state}` }, told("jobstate", job.state));
}

/** How much of it is done. */
export function progress(job) {
  const words = job.total ? t("jobs.of", { done: job.done, total: job.total }) : "";
  const value = job.state === "done" ? job.total || 1 : job.done;
  return h("span", { class: "progress" }, h("progress", { max: job.total || 1, value, "aria-label": t("jobs.progress") }), words);
}

/** Do it now, and again until it says that nothing will change, or the screen is left. */
export async function repeated({ onLeave, gone }, action) {
  let timer = 0;
  onLeave(() => clearTimeout(timer));
  const again = () => !gone() && (timer = setTimeout(() => turn().catch(again), PAUSE_MS));
  const turn = async () => {
    if (!(await action())) again();
  };
  await turn();
}
