// What stands around every screen: the navigation, the choice of gallery, language, log-out.

import { ask, logOut, may, mayAll, session } from "./api.js";
import { h, show } from "./dom.js";
import { icon } from "./icons.js";
import { failure } from "./parts/notes.js";
import { SCREENS } from "./screens/all.js";
import { galleryList } from "./screens/settings/galleries.js";
import { chooseLanguage, language, LANGUAGES, t } from "./words.js";

export class Shell {
  /** `redraw` is called when everything is to be drawn anew. */
  constructor(redraw) {
    this.redraw = redraw;
    this.galleries = [];
    this.leave = () => {};
    this.turn = 0;
    this.main = h("main", { id: "main", tabindex: "-1" });
    this.nav = h("nav", { id: "nav", "aria-label": t("nav.label") });
    this.menu = h(
      "button",
      { class: "menu", type: "button", "aria-expanded": "false", "aria-controls": "side", onclick: () => this.fold() },
      icon("menu"),
      t("nav.menu"),
    );
    this.side = h("div", { id: "side" }, this.nav, this.foot());
    this.element = h(
      "div",
      { class: "shell" },
      h("a", { class: "skip", href: "#main", onclick: (event) => this.skip(event) }, t("nav.skip")),
      h("header", { class: "bar" }, h("a", { class: "brand", href: "#" }, brand(), "Vultus"), this.menu),
      this.side,
      this.main,
    );
  }

  /** Load the galleries, then show what the address names. */
  async start() {
    try {
      this.galleries = (await ask("GET", "/v1/galleries")).galleries;
      await this.follow();
    } catch (error) {
      show(this.main, failure(error));
    }
  }

  /** Where the address points: gallery, screen, what of it. */
  place() {
    const [gallery, screen, ...rest] = location.hash.slice(1).split("/").filter(Boolean).map(decodeURIComponent);
    const known = this.galleries.find((one) => one.id === gallery) ?? this.galleries[0];
    const open = SCREENS.filter((one) => allowed(one));
    return { gallery: known, screen: open.find((one) => one.name === screen) ?? open[0], rest };
  }

  /** Show what the address names; the screen before may stop what it began. */
  async follow() {
    const { gallery, screen, rest } = this.place();
    const turn = (this.turn += 1);
    this.leave();
    this.leave = () => {};
    this.fold(false);
    this.links(gallery, screen);
    if (!gallery) return this.empty();
    const page = h("div", { class: `screen ${screen.name} busy` });
    const title = h("h1", { tabindex: "-1" }, t(`${screen.name}.title`));
    show(this.main, title, page);
    document.title = `${t(`${screen.name}.title`)} – Vultus`;
    if (turn > 1) title.focus();
    const ends = [];
    this.leave = () => ends.forEach((end) => end());
    try {
      await screen.open(page, {
        gallery: gallery.id,
        told: gallery,
        rest,
        title,
        go: (...steps) => go(gallery.id, ...steps),
        reload: (wanted) => this.reload(wanted ?? gallery.id),
        onLeave: (end) => ends.push(end),
        gone: () => turn !== this.turn,
      });
    } catch (error) {
      if (turn === this.turn) page.append(failure(error));
    }
    page.classList.remove("busy");
  }

  /** There are other galleries: this one is shown if it is among them. */
  async reload(wanted) {
    this.galleries = (await ask("GET", "/v1/galleries")).galleries;
    const { screen, rest } = this.place();
    const there = this.galleries.find((one) => one.id === wanted) ?? this.galleries[0];
    go(there?.id, screen.name, ...rest);
  }

  /** No gallery is there to be shown; who may makes one. */
  async empty() {
    show(this.main, h("h1", { tabindex: "-1" }, t("overview.title")), h("p", null, t("shell.no_gallery")));
    if (mayAll("admin")) this.main.append(await galleryList((made) => this.reload(made)).catch(failure));
  }

  close() {
    this.turn += 1;
    this.leave();
  }

  links(gallery, current) {
    const choices = this.galleries.map((one) => h("option", { value: one.id }, one.id));
    const choose = h("select", { id: "gallery", onchange: () => go(choose.value, current.name) }, choices);
    if (gallery) choose.value = gallery.id;
    const items = SCREENS.filter(allowed).map((one) =>
      h(
        "li",
        null,
        h(
          "a",
          { href: link(gallery?.id, one.name), "aria-current": one === current ? "page" : null },
          icon(one.name),
          t(`${one.name}.title`),
        ),
      ),
    );
    show(
      this.nav,
      this.galleries.length > 1 && h("label", { class: "choice", for: "gallery" }, t("nav.gallery"), choose),
      h("ul", null, items),
    );
  }

  foot() {
    const choices = Object.entries(LANGUAGES).map(([code, name]) => h("option", { value: code, lang: code }, name));
    const choose = h("select", { id: "language", onchange: () => this.speak(choose.value) }, choices);
    choose.value = language();
    return h(
      "div",
      { class: "foot" },
      h("p", null, t("nav.who", { key: session.key_id, role: t(`role.${session.role}`) })),
      h("label", { class: "choice", for: "language" }, t("nav.language"), choose),
      h("button", { type: "button", class: "plain", onclick: () => this.out() }, t("nav.log_out")),
    );
  }

  fold(open = this.menu.getAttribute("aria-expanded") !== "true") {
    this.menu.setAttribute("aria-expanded", String(open));
    this.side.classList.toggle("open", open);
  }

  skip(event) {
    event.preventDefault();
    this.main.focus();
  }

  async speak(code) {
    await chooseLanguage(code);
    await this.redraw();
  }

  async out() {
    await logOut().catch(() => {});
    await this.redraw();
  }
}

/** The address of a screen. */
export function link(gallery, ...steps) {
  return `#${[gallery ?? "", ...steps].map((step) => `/${encodeURIComponent(step)}`).join("")}`;
}

function go(...steps) {
  const wanted = link(...steps);
  if (location.hash === wanted) window.dispatchEvent(new Event("hashchange"));
  else location.hash = wanted;
}

function allowed(screen) {
  return screen.all ? mayAll(screen.role) : may(screen.role);
}

function brand() {
  return h("img", { src: "/page/icon.svg", alt: "", width: "24", height: "24" });
}
