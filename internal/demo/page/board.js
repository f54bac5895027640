// The board shows an organization's properties: first as the application's own
// call returned them, from then on as events say. It does not show its own
// writes before they come back as events, unless no stream is live.
import * as api from "/api.js";
import { $ } from "/dom.js";
import { Card } from "/card.js";

export class Board {
  #cards = new Map(); // id -> Card
  #names = new Map(); // user -> name
  #organization;
  #others;
  #live;

  // live() tells whether a stream brings what is written here.
  constructor(organization, others, live) {
    this.#organization = organization;
    this.#others = others;
    this.#live = live;
    $("board-title").textContent = organization.name;
    $("cards").replaceChildren();
    this.#count();
  }

  nameOf(user) {
    return this.#names.get(user) ?? user ?? "";
  }

  titleOf(property) {
    return this.#cards.get(property)?.title ?? property;
  }

  // show replaces everything by what the call returned. Cards that stay are kept,
  // with what is being typed into them.
  show({ properties, members }) {
    this.#names = new Map(members.map((m) => [m.id, m.name]));
    const there = new Set(properties.map((p) => p.id));
    for (const id of this.#cards.keys()) if (!there.has(id)) this.drop(id);
    for (const p of properties) this.put(p, false);
    this.#count();
  }

  put(property, highlight) {
    let card = this.#cards.get(property.id);
    if (!card) {
      card = new Card(property.id, this.#others, this.#actions(property.id));
      this.#cards.set(property.id, card);
      $("cards").append(card.element);
      if (highlight) card.element.classList.add("arrived");
      highlight = false;
    }
    card.update(property, highlight);
    if (property.notes) card.setNotes(property.notes);
    this.#count();
  }

  drop(id) {
    const card = this.#cards.get(id);
    if (!card) return;
    const focused = card.element.contains(document.activeElement);
    const next = card.element.nextElementSibling ?? card.element.previousElementSibling;
    this.#cards.delete(id);
    card.element.remove();
    if (focused) (next?.querySelector("button") ?? $("add")).focus();
    this.#count();
  }

  // apply does what an event says.
  apply({ type, payload }) {
    if (type === "property.update") this.#applyProperty(payload);
    else if (type === "data.sync" && payload.entityType === "note") this.#applyNote(payload);
    else if (type === "data.sync" && payload.entityType === "property" && payload.entityId === "*") this.show({ properties: [], members: [] });
  }

  #applyProperty({ propertyId, operation, changes }) {
    if (operation === "delete") {
      this.drop(propertyId);
      return;
    }
    const columns = { id: propertyId };
    for (const [name, change] of Object.entries(changes ?? {})) if ("new" in change) columns[name] = change.new;
    // An update of a card that is not there is older than the rows that were read.
    if (operation === "create" || this.#cards.has(propertyId)) this.put(columns, true);
  }

  #applyNote({ entityId, operation, data }) {
    if (operation === "delete") {
      for (const card of this.#cards.values()) if (card.dropNote(entityId)) return;
      return;
    }
    this.#cards.get(data.propertyId)?.setNote({ id: entityId, content: data.content, createdBy: data.createdBy }, true);
  }

  // try does a call, and shows its problem or, if no stream will, its outcome.
  async try(call, outcome) {
    try {
      const result = await call();
      $("problem").textContent = "";
      if (!this.#live()) outcome(result);
      return true;
    } catch (failure) {
      if (!(failure instanceof api.Failure)) throw failure;
      $("problem").textContent = failure.message;
      return false;
    }
  }

  create(property) {
    return this.try(() => api.create(this.#organization.id, property), (made) => this.put(made, true));
  }

  #actions(id) {
    return {
      nameOf: (user) => this.nameOf(user),
      save: (change) => this.try(() => api.update(id, change), (now) => this.put(now, true)),
      remove: () => this.try(() => api.remove(id), () => this.drop(id)),
      move: (organization) => this.try(() => api.move(id, organization), () => this.drop(id)),
      addNote: (content) => this.try(() => api.createNote(id, content), (note) => this.#cards.get(id)?.setNote(note, true)),
      removeNote: (note) => this.try(() => api.deleteNote(note), () => this.#cards.get(id)?.dropNote(note)),
    };
  }

  #count() {
    const n = this.#cards.size;
    $("board-count").textContent = n === 1 ? "1 property" : `${n} properties`;
    $("empty").hidden = n > 0;
  }
}
