// Line drawings for the navigation: paths in a square of 24.

import { s } from "./dom.js";

const PATHS = {
  overview: "M4 13h6V4H4zM14 9h6V4h-6zM14 20h6v-7h-6zM4 20h6v-3H4z",
  people: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c.6-3.6 3.2-5.5 6.500-5.500s5.900 1.900 6.500 5.500M16 4.500a3.300 3.300 0 0 1 0 6.200M18 14.800c1.900.8 3.100 2.500 3.500 5.200",
  identify: "M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4M9 10h.01M15 10h.01M9 14.500c1.800 1.500 4.200 1.500 6 0",
  compare: "M3 6h7v12H3zM14 6h7v12h-7zM12 3v18",
  liveness: "M12 16.500c2.500 0 4-2.200 4-5.200S14.500 6.500 12 6.500s-4 1.800-4 4.800 1.500 5.200 4 5.200zM5 7.500l-2.500 4L5 15.500M19 7.500l2.500 4-2.500 4M8 20.500h8",
  live: "M3 7h12v10H3zM15 10.500l6-3v9l-6-3",
  attendance: "M4 6h16v14H4zM4 10h16M8 3v4M16 3v4M9 15l2 2 4-4",
  review: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM14 17l2.300 2.500L21 14",
  events: "M12 7v5l3.500 2M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z",
  jobs: "M4 7h16v12H4zM9 7V4h6v3M4 12h16",
  thresholds: "M4 20V4M4 20h16M7 17c3 0 4-10 7-10s3 7 6 7",
  audit: "M6 3h9l4 4v14H6zM9 12h7M9 16h7M9 8h3",
  settings: "M4 7h10M18 7h2M4 17h2M10 17h10M16 9.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5zM8 19.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5z",
  menu: "M4 7h16M4 12h16M4 17h16",
  photo: "M4 6h4l1.500-2h5L16 6h4v13H4zM12 16a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7z",
};

/** A drawing beside words, which say the same. */
export function icon(name) {
  return s("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, s("path", { d: PATHS[name] }));
}
