// A field is a value that is edited in place: a button that turns into an input.
// Enter saves, Escape leaves it as it was; leaving the input saves what was
// changed in it.
import { element, flash } from "/dom.js";

export class Field {
  #value = "";
  #show;
  #input = null;

  // label names it for who does not see it. show makes the text of a value.
  // control makes the input for a value. save(value) returns a promise.
  constructor({ label, className, show, control, save }) {
    this.#show = show;
    this.label = label;
    this.control = control;
    this.save = save;
    this.button = element("button", { type: "button", class: `field ${className}`, title: `Change ${label}`, onclick: () => this.edit() });
    this.element = element("span", { class: "field-place" }, this.button);
  }

  get value() {
    return this.#value;
  }

  // set shows a value that came from the database.
  set(value, changed) {
    this.#value = value;
    const text = this.#show(value);
    this.button.textContent = text;
    this.button.dataset.value = value ?? "";
    this.button.setAttribute("aria-label", `${this.label}: ${text}. Change`);
    this.button.classList.remove("saving");
    if (changed) flash(this.button);
  }

  edit() {
    if (this.#input) return;
    const input = this.control(this.#value);
    input.classList.add("field-input");
    input.setAttribute("aria-label", this.label);
    input.addEventListener("keydown", (e) => {
      if (e.key === "Escape") this.#leave(true);
      else if (e.key === "Enter") this.#commit(true);
      else return;
      e.preventDefault();
      e.stopPropagation();
    });
    if (input.tagName === "SELECT") input.addEventListener("change", () => this.#commit(true));
    input.addEventListener("blur", () => this.#commit(false));
    this.#input = input;
    this.button.hidden = true;
    this.element.append(input);
    input.focus();
    input.select?.();
  }

  #leave(focus) {
    const input = this.#input;
    if (!input) return;
    this.#input = null; // first: removing it is a blur
    input.remove();
    this.button.hidden = false;
    if (focus) this.button.focus();
  }

  async #commit(focus) {
    const input = this.#input;
    if (!input) return;
    const value = input.value.trim();
    if (value === String(this.#value ?? "")) {
      this.#leave(focus);
      return;
    }
    if (!input.checkValidity()) {
      if (focus) input.reportValidity();
      else this.#leave(false);
      return;
    }
    this.#leave(focus);
    this.button.classList.add("saving");
    if (!(await this.save(value))) this.button.classList.remove("saving");
  }
}
