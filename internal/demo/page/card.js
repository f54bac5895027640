// A card is one property on the board.
import { element, flash, money, statuses } from "/dom.js";
import { Field } from "/field.js";

const text = (attributes) => (value) => element("input", { type: "text", autocomplete: "off", required: true, ...attributes, value });

const choice = (value) =>
  element("select", {}, ...Object.entries(statuses).map(([key, name]) => element("option", { value: key, selected: key === value }, name)));

// tone picks one of a few colours by the property's id.
const tone = (id) => [...id].reduce((n, c) => (n * 31 + c.codePointAt(0)) % 997, 7) % 4;

export class Card {
  #notes = new Map(); // id -> {id, content, createdBy}
  #actions;

  // actions: save(change), remove(), move(organization), addNote(content),
  // removeNote(id): each a promise of whether it worked; nameOf(user).
  constructor(id, others, actions) {
    this.id = id;
    this.#actions = actions;
    const save = (name) => (value) => actions.save({ [name]: value });
    this.fields = {
      description: new Field({ label: "description", className: "description", show: (v) => v || "No description", control: text({ maxlength: 120 }), save: save("description") }),
      price: new Field({ label: "price", className: "price", show: money, control: text({ inputmode: "decimal", pattern: "[0-9]{1,10}(\\.[0-9]{1,2})?", title: "a number such as 480000" }), save: save("price") }),
      status: new Field({ label: "status", className: "status", show: (v) => statuses[v] ?? v, control: choice, save: save("status") }),
    };
    this.bedrooms = element("span", { class: "bedrooms" });
    this.list = element("ul", { class: "notes" });
    this.summary = element("summary", {}, "Notes");
    this.element = element("li", { class: "card", id: `property-${id}` },
      element("div", { class: `scene tone-${tone(id)}` }, this.fields.status.element),
      element("div", { class: "card-body" },
        this.fields.description.element,
        element("div", { class: "card-line" }, this.fields.price.element, this.bedrooms),
        element("details", {}, this.summary, this.list, this.#noteForm()),
        element("div", { class: "card-actions" },
          ...others.map((o) => element("button", { type: "button", class: "button quiet small", onclick: () => actions.move(o.id) }, `Move to ${o.name}`)),
          this.#removeButton())));
  }

  // update shows columns as they are now; those that are not there stay.
  update(columns, highlight) {
    for (const [name, field] of Object.entries(this.fields)) {
      if (name in columns) field.set(columns[name], highlight && columns[name] !== field.value);
    }
    if ("bedrooms" in columns) {
      const n = columns.bedrooms;
      const words = n == null ? "" : n === 0 ? "studio" : n === 1 ? "1 bedroom" : `${n} bedrooms`;
      if (highlight && this.bedrooms.textContent !== words) flash(this.bedrooms);
      this.bedrooms.textContent = words;
    }
  }

  get title() {
    return this.fields.description.value || this.id;
  }

  setNotes(notes) {
    this.#notes = new Map(notes.map((n) => [n.id, n]));
    this.#showNotes();
  }

  setNote(note, highlight) {
    this.#notes.set(note.id, note);
    this.#showNotes(highlight ? note.id : null);
    if (highlight) flash(this.summary);
  }

  // dropNote tells whether there was one.
  dropNote(id) {
    if (!this.#notes.delete(id)) return false;
    this.#showNotes();
    flash(this.summary);
    return true;
  }

  #showNotes(changed) {
    const n = this.#notes.size;
    this.summary.textContent = n === 0 ? "Notes" : n === 1 ? "1 note" : `${n} notes`;
    this.list.replaceChildren(...[...this.#notes.values()].map((note) => {
      const item = element("li", {},
        element("span", { class: "note-text" }, note.content),
        element("span", { class: "muted" }, this.#actions.nameOf(note.createdBy)),
        element("button", { type: "button", class: "button quiet small", "aria-label": `Delete note: ${note.content}`, onclick: () => this.#actions.removeNote(note.id) }, "×"));
      if (note.id === changed) flash(item);
      return item;
    }));
  }

  #noteForm() {
    const input = element("input", { type: "text", maxlength: 280, required: true, autocomplete: "off", placeholder: "Add a note", "aria-label": "New note" });
    return element("form", {
      class: "note-form",
      onsubmit: async (e) => {
        e.preventDefault();
        if (await this.#actions.addNote(input.value)) input.value = "";
      },
    }, input, element("button", { type: "submit", class: "button small" }, "Add"));
  }

  // The first press asks, the second does.
  #removeButton() {
    const button = element("button", { type: "button", class: "button quiet small danger" }, "Delete");
    const calm = () => {
      button.textContent = "Delete";
      button.classList.remove("armed");
    };
    button.addEventListener("click", () => {
      if (button.classList.contains("armed")) {
        calm();
        this.#actions.remove();
        return;
      }
      button.classList.add("armed");
      button.textContent = "Really delete?";
    });
    button.addEventListener("blur", calm);
    button.addEventListener("keydown", (e) => {
      if (e.key === "Escape") calm();
    });
    return button;
  }
}
