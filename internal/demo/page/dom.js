// The few things done to the document. Text passes textContent only, so that no
// row of the database becomes markup.

export const $ = (id) => document.getElementById(id);

// element makes <tag class="…" …attributes>children</tag>. A child is a node or
// a text; an attribute that starts with "on" is a listener.
export function element(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) e.addEventListener(name.slice(2), value);
    else if (value === true) e.setAttribute(name, "");
    else if (value !== false && value != null) e.setAttribute(name, value);
  }
  e.append(...children);
  return e;
}

// flash marks e as just changed, for a moment.
export function flash(e) {
  e.classList.remove("changed");
  void e.offsetWidth; // so that the animation begins anew
  e.classList.add("changed");
}

const euro = new Intl.NumberFormat("en-GB", { style: "currency", currency: "EUR", minimumFractionDigits: 0, maximumFractionDigits: 2 });

// money is a price as it is shown; prices are texts: numeric(12,2) is no double.
export const money = (text) => (text == null ? "–" : euro.format(text));

export const statuses = { AVAILABLE: "Available", UNDER_OFFER: "Under offer", SOLD: "Sold", RENTED: "Rented" };

export const duration = (ms) => (ms < 1000 ? `${Math.max(0, Math.round(ms))} ms` : `${(ms / 1000).toFixed(1)} s`);
