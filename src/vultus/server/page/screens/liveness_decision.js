// What an accepted session is good for: one decision about its person, by a picture of the session.

import { ask, photoForm } from "../api.js";
import { h, show } from "../dom.js";
import { chooser } from "../parts/chooser.js";
import { button, failure } from "../parts/notes.js";
import { Picture } from "../parts/picture.js";
import { t } from "../words.js";
import { verdict } from "./compare.js";
import { shown } from "./identify.js";

/** The offer to decide, and in its place what was decided: a token holds once. */
export class Decision {
  constructor({ token, gallery, photo, use }) {
    this.token = token;
    this.gallery = gallery;
    this.photo = photo;
    this.picture = new Picture(photo, t("liveness.last_picture"));
    this.result = h("div");
    const offer = use === "identify" ? button(t("liveness.identify"), () => this.identify(), { class: "main" }) : chooser({ take: ([file]) => this.compare(file), label: t("liveness.compare") });
    this.offer = h("div", null, h("p", null, t("liveness.holds_once")), offer);
    this.element = h("section", null, h("h2", null, t("liveness.decide")), this.offer, this.result);
  }

  /** The token, once. */
  spent() {
    this.offer.remove();
    const { token } = this;
    this.token = null;
    return token;
  }

  async identify() {
    if (this.token === null) return;
    const query = { live_session: this.spent() };
    await shown(this.result, { picture: this.picture, photo: this.photo, gallery: this.gallery, query, late: () => false });
    this.ended();
  }

  async compare(file) {
    if (this.token === null) return;
    const query = { live_session: this.spent() };
    show(this.result, h("p", { class: "small" }, t("working")));
    try {
      const answer = await ask("POST", "/v1/verify", { form: photoForm({ a: this.photo, b: file }), query });
      show(this.result, h("div", { class: "photo-and-faces" }, this.picture.element, verdict(answer)));
    } catch (error) {
      show(this.result, failure(error));
    }
    this.ended();
  }

  ended() {
    this.result.append(h("p", { class: "small" }, t("liveness.used")));
  }

  close() {
    this.picture.close();
  }
}
