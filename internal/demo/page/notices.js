// Notices are the notifications that came for whom is signed in. They stay until
// they are put away.
import { $, element } from "/dom.js";

const kept = 5;

// notice shows one. Who said it is a name, or empty.
export function notice({ title, message }, from, organization) {
  const close = element("button", { type: "button", class: "button quiet small", "aria-label": "Dismiss", onclick: () => dismiss(item) }, "×");
  const item = element("li", { class: "notice" },
    element("span", { class: "notice-from" }, [from, organization].filter(Boolean).join(" · ")),
    element("strong", {}, title),
    ...(message ? [element("span", {}, message)] : []),
    close);
  $("notices").prepend(item);
  while ($("notices").children.length > kept) $("notices").lastElementChild.remove();
}

function dismiss(item) {
  const next = (item.nextElementSibling ?? item.previousElementSibling)?.querySelector("button");
  item.remove();
  (next ?? $("notify")).focus();
}

export function clear() {
  $("notices").replaceChildren();
}
