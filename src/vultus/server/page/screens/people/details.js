// What is noted of a person, as fields to fill in: of somebody new, or to be changed.

import { photoForm } from "../../api.js";
import { h } from "../../dom.js";
import { field } from "../../parts/notes.js";
import { t } from "../../words.js";

/** The fields; filled with what is noted where there is somebody. */
export class Details {
  constructor(person = null) {
    this.before = person;
    const consent = person?.consent;
    this.name = h("input", { id: "name", maxlength: "200", required: true, autocomplete: "off", value: person?.name });
    this.externalId = h("input", { id: "external-id", maxlength: "200", autocomplete: "off", value: person?.external_id });
    this.groups = h("input", { id: "groups", autocomplete: "off", value: person?.groups.join(", ") });
    this.purpose = h("input", { id: "purpose", autocomplete: "off", value: consent?.purpose });
    this.consentUntil = h("input", { id: "consent-until", type: "date", value: consent?.until?.slice(0, 10) });
    this.retainUntil = h("input", { id: "retain-until", type: "date", value: person?.retain_until?.slice(0, 10) });
    this.element = h(
      "div",
      { class: "fields" },
      field(t("enrol.name"), this.name),
      field(t("person.external_id"), this.externalId, t("enrol.external_id_hint")),
      field(t("enrol.groups"), this.groups, t("enrol.groups_hint")),
      field(t("enrol.purpose"), this.purpose, t("enrol.purpose_hint")),
      field(t("enrol.consent_until"), this.consentUntil),
      field(t("enrol.retain_until"), this.retainUntil, t("enrol.retain_hint")),
    );
  }

  /** As the form of an enrolment. */
  filled(photos) {
    const purpose = this.purpose.value.trim();
    const given = {
      name: this.name.value,
      photos,
      external_id: this.externalId.value.trim(),
      groups: this.groupNames(),
      consent_purpose: purpose,
      consent_until: purpose && this.consentUntil.value,
      retain_until: this.retainUntil.value,
    };
    return photoForm(Object.fromEntries(Object.entries(given).filter(([, value]) => value.length)));
  }

  /** What was changed, as the service takes it: null takes away. */
  changed() {
    const was = this.before;
    const change = {};
    const put = (name, before, now, value = now || null) => {
      if ((before ?? "") !== now) change[name] = value;
    };
    put("name", was.name, this.name.value.trim());
    put("external_id", was.external_id, this.externalId.value.trim());
    put("groups", was.groups.join(), this.groupNames().join(), this.groupNames());
    put("retain_until", was.retain_until?.slice(0, 10), this.retainUntil.value);
    const purpose = this.purpose.value.trim();
    const until = this.consentUntil.value;
    const before = was.consent ?? { purpose: "", until: null };
    if (purpose !== before.purpose || until !== (before.until?.slice(0, 10) ?? "")) {
      // What was agreed to before stays given when it was, if only its end is another.
      const givenAt = purpose === before.purpose ? before.given_at : null;
      change.consent = purpose ? { purpose, until: until || null, given_at: givenAt } : null;
    }
    return change;
  }

  groupNames() {
    return this.groups.value.split(/[,，]/).map((name) => name.trim()).filter(Boolean);
  }
}
