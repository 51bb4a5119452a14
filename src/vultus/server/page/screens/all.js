// The screens in the order of the navigation, with the role that each takes.

import { openCompare } from "./compare.js";
import { openEvents } from "./events.js";
import { openIdentify } from "./identify.js";
import { openOverview } from "./overview.js";
import { openPeople } from "./people.js";
import { openSettings } from "./settings.js";

export const SCREENS = [
  { name: "overview", role: "reader", open: openOverview },
  { name: "people", role: "reader", open: openPeople },
  { name: "identify", role: "reader", open: openIdentify },
  { name: "compare", role: "reader", open: openCompare },
  { name: "events", role: "operator", open: openEvents },
  { name: "settings", role: "admin", all: true, open: openSettings },
];
