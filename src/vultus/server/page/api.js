// The service, asked: the cookie says who, the token of the log-in that it was this page.

import { t } from "./words.js";

const PATIENCE = 3;
const LOG_IN = "/v1/session";

// Who answers before all is sent may be cut off before the words of the answer come; a proxy has none.
const BY_STATUS = { 401: "unauthorised", 403: "forbidden", 404: "not-found", 413: "too-large", 429: "too-many-requests", 503: "busy" };

/** What the service refused, with its stable code. */
export class Refusal extends Error {
  constructor(status, body) {
    super(body.detail ?? "");
    Object.assign(this, { status, code: body.code ?? BY_STATUS[status] ?? "internal", errors: body.errors ?? [] });
  }
}

/** Who is logged in: `{key_id, role, galleries, csrf}`, or null. */
export let session = null;

const ROLES = ["reader", "operator", "admin"];

/** Whether who is logged in may do what takes a role. */
export function may(role) {
  return session !== null && ROLES.indexOf(session.role) >= ROLES.indexOf(role);
}

/** Whether who is logged in may do what takes a key for all galleries. */
export function mayAll(role) {
  return may(role) && session.galleries === null;
}

let again = async () => false;
let asking = null;

/** What is done when a log-in has ended while somebody works: `action` gives whether they are back. */
export function whenLoggedOut(action) {
  again = action;
}

/** The log-in that the cookie stands for, if any. */
export async function resume() {
  session = await ask("GET", LOG_IN).catch((refusal) => {
    if (refusal.status === 401) return null;
    throw refusal;
  });
}

/** Log in by a key. */
export async function logIn(key) {
  session = await ask("POST", LOG_IN, { json: { key } });
}

/** Log out. */
export async function logOut() {
  await ask("DELETE", LOG_IN).finally(() => (session = null));
}

/**
 * Ask the service; gives what it answers, parsed.
 *
 * `json` and `form` are bodies, `query` is added to the address, `match` is the ETag that must
 * still hold. An ETag of the answer is put into `answer.etag`.
 */
export async function ask(method, path, given = {}) {
  const { json, form, query, match, headers, signal } = given;
  const answer = await sent(method, path + search(query), {
    body: json === undefined ? form : JSON.stringify(json),
    headers: heads({ json, match, headers }),
    signal,
  });
  if (answer.status === 204) return null;
  const kind = answer.headers.get("content-type") ?? "";
  if (answer.ok && !kind.includes("json")) return answer.blob();
  const body = await answer.json().catch(() => ({}));
  if (answer.status === 401 && session !== null && path !== LOG_IN) {
    // Nothing was done. Who logs in again goes on with what they were about, which is asked anew.
    asking ??= again().finally(() => (asking = null));
    if (await asking) return ask(method, path, given);
  }
  if (!answer.ok) throw new Refusal(answer.status, body);
  const etag = answer.headers.get("etag");
  return etag && body && typeof body === "object" ? Object.assign(body, { etag }) : body;
}

/** The address of a gallery's operation. */
export function at(gallery, ...steps) {
  return ["/v1/galleries", gallery, ...steps].map((step, place) => (place ? encodeURIComponent(step) : step)).join("/");
}

/** A form of a photo, or of several under one name. */
export function photoForm(fields) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    // Never the name of the file: it may be somebody's.
    for (const one of [value].flat()) one instanceof Blob ? form.append(name, one, "photo") : form.append(name, one);
  }
  return form;
}

async function sent(method, path, given) {
  for (let turn = 1; ; turn += 1) {
    const answer = await fetched(path, { method, credentials: "same-origin", cache: "no-store", ...given });
    const busy = answer.status === 503 || (answer.status === 429 && path !== LOG_IN);
    const waits = Number(answer.headers.get("retry-after") ?? 0);
    // The service refused before it did anything, so that asking again is safe.
    if (!busy || turn >= PATIENCE || waits > 5) return answer;
    await new Promise((done) => setTimeout(done, 1000 * Math.max(waits, 0.3)));
  }
}

async function fetched(path, given) {
  try {
    return await fetch(path, given);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(t("problem.no_connection"));
  }
}

function heads({ json, match, headers }) {
  const found = new Headers(headers);
  if (json !== undefined) found.set("Content-Type", "application/json");
  if (match) found.set("If-Match", match);
  if (session) found.set("X-CSRF-Token", session.csrf);
  return found;
}

function search(query) {
  const given = Object.entries(query ?? {}).filter(([, value]) => value != null && value !== "");
  const pairs = given.flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
  return pairs.length ? `?${new URLSearchParams(pairs)}` : "";
}
