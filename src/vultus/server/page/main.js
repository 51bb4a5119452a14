// The page begins: language, log-in, then the screen that the address names.

import { resume, session } from "./api.js";
import { show } from "./dom.js";
import { forgetSeen } from "./parts/seen.js";
import { loginScreen } from "./screens/login.js";
import { Shell } from "./shell.js";
import { useLanguage, wantedLanguage } from "./words.js";

const root = document.getElementById("app");
let shell = null;

/** Draw everything anew: after a log-in or log-out, or in another language. */
async function draw() {
  shell?.close();
  shell = null;
  if (session === null) {
    forgetSeen();
    return show(root, loginScreen(draw));
  }
  shell = new Shell(draw);
  show(root, shell.element);
  await shell.start();
}

window.addEventListener("vultus-logged-out", draw);
window.addEventListener("hashchange", () => shell?.follow());
await useLanguage(wantedLanguage());
await resume();
await draw();
