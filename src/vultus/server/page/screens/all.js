// The screens in the order of the navigation, with the role that each takes.

import { openAttendance } from "./attendance.js";
import { openAudit } from "./audit.js";
import { openCompare } from "./compare.js";
import { openEvents } from "./events.js";
import { openIdentify } from "./identify.js";
import { openJobs } from "./jobs/jobs.js";
import { openLive } from "./live.js";
import { openLiveness } from "./liveness.js";
import { openOverview } from "./overview.js";
import { openPeople } from "./people/people.js";
import { openReview } from "./review.js";
import { openSettings } from "./settings/settings.js";
import { openThresholds } from "./thresholds.js";

export const SCREENS = [
  { name: "overview", role: "reader", open: openOverview },
  { name: "people", role: "reader", open: openPeople },
  { name: "identify", role: "reader", open: openIdentify },
  { name: "compare", role: "reader", open: openCompare },
  { name: "liveness", role: "reader", open: openLiveness },
  { name: "live", role: "reader", open: openLive },
  { name: "attendance", role: "operator", open: openAttendance },
  { name: "review", role: "operator", open: openReview },
  { name: "events", role: "operator", open: openEvents },
  { name: "jobs", role: "operator", open: openJobs },
  { name: "thresholds", role: "reader", open: openThresholds },
  { name: "audit", role: "admin", open: openAudit },
  { name: "settings", role: "admin", all: true, open: openSettings },
];
