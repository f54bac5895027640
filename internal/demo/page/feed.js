// The feed lists what came on the stream, newest first.
import { $, duration, element, money, statuses } from "/dom.js";

const kept = 100;

const shown = {
  price: money,
  status: (v) => statuses[v] ?? v,
};

// Columns that change with every write say nothing.
const silent = new Set(["updatedAt", "createdAt"]);

const show = (name, value) => (value == null ? "–" : (shown[name] ?? ((v) => (typeof v === "string" ? v : JSON.stringify(v))))(value));

export class Feed {
  #count = 0;

  constructor() {
    $("feed").replaceChildren();
    $("feed-empty").hidden = false;
    $("count").textContent = "0";
    $("replayed").textContent = "0";
    $("latency").textContent = "–";
  }

  // event adds an event that came at a time (ms), with its words.
  event(event, at, replayed, words) {
    const took = at - event.timestamp;
    this.#count++;
    $("count").textContent = String(this.#count);
    if (!replayed) $("latency").textContent = duration(took);
    this.#add(event.timestamp, event.type, words, replayed ? "replayed" : duration(took), replayed ? "was-replayed" : "");
  }

  // control adds what the stream says of itself.
  control(type, what) {
    this.#add(Date.now(), type, { what }, "", "control");
  }

  #add(at, type, { subject = "", what, who = "" }, latency, extra) {
    $("feed-empty").hidden = true;
    const list = $("feed");
    list.prepend(element("li", { class: `entry ${extra}` },
      element("span", { class: "entry-head" },
        element("span", { class: "type" }, type),
        element("time", { datetime: new Date(at).toISOString() }, new Date(at).toLocaleTimeString("en-GB")),
        element("span", { class: "entry-latency" }, latency)),
      element("span", { class: "words" },
        ...(subject ? [element("strong", {}, subject)] : []),
        ...(who ? [element("span", { class: "entry-who" }, `by ${who}`)] : []),
        element("span", { class: "what" }, what))));
    while (list.children.length > kept) list.lastElementChild.remove();
  }
}

// words says what an event is about: {subject, what, who}. It is asked before
// the board applies it, which may forget the title.
export function words({ type, payload }, board) {
  const { operation, changes, data } = payload;
  const who = board.nameOf(payload.updatedBy);
  switch (type) {
    case "property.update": {
      if (operation === "create") return { subject: changes?.description?.new ?? payload.propertyId, what: `new, at ${show("price", changes?.price?.new)}`, who };
      const subject = board.titleOf(payload.propertyId);
      if (operation === "delete") return { subject, what: "gone from this organization", who };
      const parts = Object.entries(changes ?? {}).filter(([name]) => !silent.has(name))
        .map(([name, c]) => `${name} ${"old" in c ? `${show(name, c.old)} → ` : ""}${show(name, c.new)}`);
      return { subject, what: parts.join(", ") || operation, who };
    }
    case "data.sync":
      if (payload.entityId === "*") return { what: `every ${payload.entityType} is gone` };
      if (operation === "delete") return { what: `${payload.entityType} deleted` };
      return { subject: board.titleOf(data.propertyId), what: data.content ? `“${data.content}”` : `${payload.entityType} ${operation}d`, who: board.nameOf(data.createdBy) };
    case "notification.new":
      return { subject: "For you", what: `“${payload.title}”`, who: board.nameOf(payload.metadata?.from) };
    case "member.join":
      return { subject: board.nameOf(payload.userId), what: `joined as ${payload.role}` };
    case "member.leave":
      return { subject: board.nameOf(payload.userId), what: "left" };
    case "organization.change":
      return { what: `${payload.changeType} changed`, who };
    default:
      return { what: JSON.stringify(payload).slice(0, 200) };
  }
}
