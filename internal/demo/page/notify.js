// Telling one colleague something: the form beside the events.
import * as api from "/api.js";
import { $, element } from "/dom.js";

let organization = ""; // that is shown

const form = () => $("notify-form");

function open(yes) {
  form().hidden = !yes;
  $("notify").setAttribute("aria-expanded", String(yes));
  $("notify-problem").textContent = "";
}

// follow begins with an organization whose members are not known yet.
export function follow(id) {
  organization = id;
  open(false);
  form().elements.userId.replaceChildren();
  $("notify-sent").textContent = "";
}

// offer lists whom there is to tell.
export function offer(members, me) {
  const chosen = form().elements.userId.value;
  form().elements.userId.replaceChildren(...members.filter((m) => m.id !== me).map((m) =>
    element("option", { value: m.id, selected: m.id === chosen }, m.name)));
}

async function send(e) {
  e.preventDefault();
  const { userId, text } = form().elements;
  const name = userId.selectedOptions[0]?.textContent ?? "";
  try {
    await api.notify(organization, userId.value, text.value);
  } catch (failure) {
    if (!(failure instanceof api.Failure)) throw failure;
    $("notify-problem").textContent = failure.message;
    return;
  }
  text.value = "";
  open(false);
  $("notify-sent").textContent = `Told ${name}.`;
  $("notify").focus();
}

export function listen() {
  $("notify").addEventListener("click", () => {
    const yes = form().hidden;
    open(yes);
    $("notify-sent").textContent = "";
    if (yes) form().elements.userId.focus();
  });
  form().querySelector("[data-cancel]").addEventListener("click", () => {
    open(false);
    $("notify").focus();
  });
  form().addEventListener("keydown", (e) => {
    if (e.key !== "Escape") return;
    open(false);
    $("notify").focus();
  });
  form().addEventListener("submit", send);
}
