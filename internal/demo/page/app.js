// The page: who is signed in, which organization is shown, and the stream that
// keeps it so.
import * as api from "/api.js";
import { $, duration, element, flash } from "/dom.js";
import { Board } from "/board.js";
import { Feed, words } from "/feed.js";
import { clear, notice } from "/notices.js";
import * as notify from "/notify.js";
import { Stream } from "/stream.js";

const stateNames = { connecting: "Connecting", "catching-up": "Catching up", live: "Live", stale: "Stale", closed: "Closed" };

// mostWaiting bounds the events that wait for rows. What is older than so many
// others is in the rows that are read at last.
const mostWaiting = 1000;

// A view is one organization on the page, until another is chosen.
class View {
  #board;
  #feed = new Feed();
  #stream;
  #waiting = null; // events that came while rows are read
  #round = 0;
  #state = "";
  #left = 0; // when the stream was lost
  #welcome = ""; // what the last replay brought
  #over = false;

  constructor(me, organization, others) {
    this.me = me;
    this.organization = organization;
    this.#board = new Board(organization, others, () => this.#state === "live");
    this.#stream = new Stream(api.streamURL(organization.id), {
      state: (name, detail) => this.#show(name, detail),
      event: (event, { replayed }) => this.#event(event, replayed),
      ready: (replayed) => this.#ready(replayed),
      refetch: (reason) => this.#refetch(reason),
    });
    this.#stream.start();
  }

  get board() {
    return this.#board;
  }

  end() {
    this.#over = true;
    this.#stream.stop();
  }

  hurry() {
    this.#stream.hurry();
  }

  toggle() {
    if (this.#stream.open) {
      this.#stream.stop("you disconnected; what happens now is told when you are back");
    } else {
      this.#stream.start();
    }
  }

  #show(name, detail) {
    if (this.#over) return;
    if (this.#state === "live" && (name === "connecting" || name === "closed")) this.#left = Date.now();
    this.#state = name;
    $("state").dataset.state = name;
    $("state-name").textContent = stateNames[name];
    $("state-detail").textContent = name === "live" ? this.#welcome || "what is committed is here at once" : detail;
    if (name !== "live") this.#welcome = "";
    $("toggle").textContent = this.#stream?.open ?? true ? "Disconnect" : "Reconnect";
  }

  #ready(replayed) {
    if (this.#left === 0) return;
    const away = duration(Date.now() - this.#left);
    this.#left = 0;
    this.#welcome = `${replayed === 1 ? "1 event" : `${replayed} events`} replayed, after ${away} away`;
    this.#feed.control("ready", this.#welcome);
    $("replayed").textContent = String(replayed);
    flash($("replayed"));
  }

  #event(event, replayed) {
    if (this.#over) return;
    this.#feed.event(event, Date.now(), replayed, words(event, this.#board));
    if (event.type === "notification.new") {
      notice(event.payload, this.#board.nameOf(event.payload.metadata?.from), this.organization.name);
    }
    if (!this.#waiting) this.#board.apply(event);
    else if (this.#waiting.push(event) > mostWaiting) this.#waiting.shift();
  }

  // #refetch reads the rows. The position of the stream was told before, so what
  // is committed after the rows were read comes as an event; what comes meanwhile
  // waits.
  async #refetch(reason) {
    if (this.#over) return;
    if (reason !== "opened") this.#feed.control("reset", `${resets[reason] ?? reason}: the rows are read again`);
    const round = ++this.#round;
    const late = () => this.#over || round !== this.#round; // another one has begun
    this.#waiting = [];
    for (let rows = null; !rows; ) {
      try {
        rows = await api.board(this.organization.id);
        if (late()) return;
        $("problem").textContent = "";
        this.#board.show(rows);
        notify.offer(rows.members, this.me);
      } catch (failure) {
        if (!(failure instanceof api.Failure)) throw failure;
        if (late()) return;
        if (failure.status === 401 || failure.status === 403) {
          this.#stream.stop(failure.message);
          return;
        }
        $("problem").textContent = failure.message;
        await new Promise((resolve) => setTimeout(resolve, 1000 + Math.random() * 1000));
        if (late()) return;
      }
    }
    const waiting = this.#waiting;
    this.#waiting = null;
    for (const event of waiting) this.#board.apply(event);
  }
}

const resets = {
  moved: "a property changed hands",
  too_old: "away for too long",
  too_many: "too much has happened",
  epoch: "the database is another one",
  ahead: "the database was set back",
  malformed: "the position was not understood",
};

let view = null;

function follow(account, organization) {
  view?.end();
  for (const tab of $("organizations").children) tab.setAttribute("aria-current", String(tab.dataset.id === organization.id));
  $("problem").textContent = "";
  notify.follow(organization.id);
  view = new View(account.id, organization, account.organizations.filter((o) => o.id !== organization.id));
}

function showDesk(account) {
  $("sign-in").hidden = true;
  $("desk").hidden = false;
  $("my-name").textContent = account.name;
  $("avatar").textContent = account.name.slice(0, 1);
  $("avatar").dataset.user = account.id;
  document.title = `${account.name} · Oikion, live on orgcast`;
  $("organizations").replaceChildren(...account.organizations.map((o) =>
    element("button", { type: "button", class: "tab", "data-id": o.id, onclick: () => follow(account, o) }, o.name)));
  follow(account, account.organizations[0]);
}

async function showSignIn() {
  view?.end();
  view = null;
  clear();
  $("desk").hidden = true;
  $("sign-in").hidden = false;
  document.title = "Oikion, live on orgcast";
  $("users").replaceChildren();
  $("sign-in-problem").textContent = "";
  let all;
  try {
    all = await api.users();
  } catch (failure) {
    $("sign-in-problem").textContent = failure.message;
    return;
  }
  $("users").replaceChildren(...all.map((u, i) => element("label", { class: "user" },
    element("input", { type: "radio", name: "userId", value: u.id, required: true, checked: i === 0 }),
    element("span", { class: "avatar", "aria-hidden": "true", "data-user": u.id }, u.name.slice(0, 1)),
    element("span", {}, element("strong", {}, u.name), element("small", {}, u.organizations.map((o) => o.name).join(" and "))))));
  $("users").querySelector("input")?.focus();
}

function listen() {
  $("sign-in-form").addEventListener("submit", async (e) => {
    e.preventDefault();
    try {
      showDesk(await api.signIn(new FormData(e.target).get("userId")));
      $("sign-in-problem").textContent = "";
    } catch (failure) {
      $("sign-in-problem").textContent = failure.message;
    }
  });
  $("sign-out").addEventListener("click", async () => {
    try {
      await api.signOut();
    } catch (failure) {
      $("problem").textContent = failure.message;
      return;
    }
    await showSignIn();
  });
  $("toggle").addEventListener("click", () => view?.toggle());
  addEventListener("online", () => view?.hurry());

  notify.listen();
  const form = $("add-form");
  const open = (yes) => {
    form.hidden = !yes;
    $("add").setAttribute("aria-expanded", String(yes));
    (yes ? form.elements.description : $("add")).focus();
  };
  $("add").addEventListener("click", () => open(form.hidden));
  form.querySelector("[data-cancel]").addEventListener("click", () => open(false));
  form.addEventListener("keydown", (e) => {
    if (e.key === "Escape") open(false);
  });
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    const { description, price, bedrooms } = Object.fromEntries(new FormData(form));
    if (await view.board.create({ description, price, bedrooms: Number(bedrooms) })) {
      form.reset();
      open(false);
    }
  });

  const beside = new URL(location.href);
  beside.hostname = location.hostname === "localhost" ? "127.0.0.1" : "localhost";
  $("beside").href = beside.href;
  $("beside").textContent = beside.host;
}

listen();
try {
  showDesk(await api.me());
} catch (failure) {
  await showSignIn();
  if (failure.status !== 401) $("sign-in-problem").textContent = failure.message;
}
