// The page begins: language, log-in, then the screen that the address names.

import { resume, session, whenLoggedOut } from "./api.js";
import { h, show } from "./dom.js";
import { failure } from "./parts/notes.js";
import { forgetSeen } from "./parts/seen.js";
import { forgetZips } from "./screens/jobs/grouping.js";
import { loginScreen, logInAgain } from "./screens/login.js";
import { Shell } from "./shell.js";
import { useLanguage, wantedLanguage } from "./words.js";

const root = document.getElementById("app");
let shell = null;

/** Draw everything anew: after a log-in or log-out, or in another language. */
async function draw() {
  shell?.close();
  shell = null;
  document.querySelectorAll("dialog").forEach((one) => one.remove());
  if (session === null) {
    forget();
    return show(root, loginScreen(draw));
  }
  shell = new Shell(draw);
  show(root, shell.element);
  await shell.start();
}

function forget() {
  forgetSeen();
  forgetZips();
}

/** Who was logged in goes on where they were; what was seen is not for anybody else. */
async function back() {
  const before = session.key_id;
  await logInAgain();
  if (session?.key_id === before) return true;
  forget();
  await draw();
  return false;
}

whenLoggedOut(back);
window.addEventListener("hashchange", () => shell?.follow());
try {
  await useLanguage(wantedLanguage());
  await resume();
  await draw();
} catch (error) {
  show(root, h("main", { class: "login" }, h("h1", null, "Vultus"), failure(error)));
}
