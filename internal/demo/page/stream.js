// Stream follows an organization. It keeps one connection, comes back by itself,
// resumes where it was, and hands each event over once.
import { isAfter } from "/cursor.js";
import { Parser } from "/parser.js";

const silence = 40_000; // ms: orgcast is heard every 15 s
const longest = 30_000; // ms between two attempts

export class Stream {
  #url;
  #on;
  #cursor = "";
  #abort = null;
  #retry = 2000; // ms, until the server says otherwise
  #attempt = 0;
  #wake = null;
  #catchingUp = true;

  // on.state(name, detail): connecting, catching-up, live, stale, closed.
  // on.event(event, {replayed}), each once and in order.
  // on.ready(replayed): from here on it is live.
  // on.refetch(reason): what was read before is out of date, and no events will
  // tell how; also at the very beginning.
  constructor(url, on) {
    this.#url = url;
    this.#on = on;
  }

  get open() {
    return this.#abort !== null;
  }

  start() {
    if (this.open) return;
    this.#abort = new AbortController();
    this.#attempt = 0;
    this.#run(this.#abort.signal);
  }

  // stop ends the connection; start resumes it where it was.
  stop(detail = "") {
    this.#abort?.abort();
    this.#abort = null;
    this.#tell("state", "closed", detail);
  }

  // hurry ends the wait between two attempts: the network is back.
  hurry() {
    this.#wake?.();
  }

  async #run(signal) {
    while (!signal.aborted) {
      this.#tell("state", "connecting", this.#attempt > 0 ? `attempt ${this.#attempt + 1}` : "");
      const end = await this.#connect(signal);
      if (signal.aborted) return;
      if (end.final) {
        this.stop(end.detail);
        return;
      }
      const wait = Math.max(end.wait ?? this.#backoff(), 0);
      this.#attempt++;
      this.#tell("state", "connecting", `${end.detail}; again in ${(wait / 1000).toFixed(1)} s`);
      await this.#sleep(wait, signal);
    }
  }

  // The server draws `retry` by chance already. What comes after the first
  // attempt grows, and is drawn anew: or all would come back at once.
  #backoff() {
    if (this.#attempt === 0) return this.#retry;
    return Math.min(longest, this.#retry * 2 ** this.#attempt) * (0.5 + Math.random() / 2);
  }

  #sleep(ms, signal) {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#wake = null;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#wake = done;
      signal.addEventListener("abort", done, { once: true });
    });
  }

  // #connect is one connection, from request to end. It tells how it ended:
  // {final, detail, wait}.
  async #connect(signal) {
    const guard = new AbortController();
    const giveUp = () => guard.abort();
    signal.addEventListener("abort", giveUp, { once: true });
    let timer = setTimeout(giveUp, silence);
    try {
      const headers = { Accept: "text/event-stream" };
      if (this.#cursor) headers["Last-Event-ID"] = this.#cursor;
      const response = await fetch(this.#url, { headers, cache: "no-store", signal: guard.signal });
      if (!response.ok) return await refused(response);
      return await this.#read(response.body, guard.signal, () => {
        clearTimeout(timer);
        timer = setTimeout(giveUp, silence);
      });
    } catch {
      return { detail: guard.signal.aborted ? "nothing heard" : "connection lost" };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
    }
  }

  async #read(body, signal, heard) {
    let end = null;
    const parser = new Parser((block) => {
      if (!end) end = this.#block(block);
    });
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done || signal.aborted) return { detail: "connection lost" };
      heard();
      parser.push(value);
      if (end) {
        await reader.cancel();
        return end;
      }
    }
  }

  // A callback that fails is the page's matter: the stream goes on.
  #tell(what, ...about) {
    try {
      this.#on[what](...about);
    } catch (error) {
      reportError(error);
    }
  }

  // #block takes one block, and returns an end if it is the last one.
  #block({ id, data, retry }) {
    if (retry !== null) this.#retry = retry;
    if (data === null) { // a heartbeat: the position alone
      if (id !== null && isAfter(id, this.#cursor)) this.#cursor = id;
      return null;
    }
    const message = JSON.parse(data);
    switch (message.type) {
      case "connection":
        this.#attempt = 0;
        this.#catchingUp = true;
        this.#tell("state", "catching-up", "");
        if (id !== null) { // a stream that has nothing to resume
          this.#cursor = id;
          this.#tell("refetch", "opened");
        }
        return null;
      case "ready":
        this.#catchingUp = false;
        this.#cursor = message.cursor;
        this.#tell("ready", message.replayed);
        this.#tell("state", "live", "");
        return null;
      case "status":
        if (message.state === "stale") this.#tell("state", "stale", `since ${new Date(message.since).toLocaleTimeString()}`);
        else this.#tell("state", this.#catchingUp ? "catching-up" : "live", "");
        return null;
      case "reset":
        this.#cursor = message.cursor;
        this.#tell("refetch", message.reason);
        return null;
      case "closing":
        return { final: !message.reconnect, detail: reasons[message.reason] ?? message.reason, wait: message.retryMs };
    }
    if (!isAfter(message.id, this.#cursor)) return null; // told before
    this.#cursor = message.id;
    this.#tell("event", message, { replayed: this.#catchingUp });
    return null;
  }
}

// refused says what to make of an answer that is no stream.
async function refused(response) {
  const text = (await response.text()).slice(0, 200);
  if (response.status !== 429 && response.status < 500) return { final: true, detail: text };
  const after = Number(response.headers.get("Retry-After"));
  return { detail: text, wait: after > 0 ? after * 1000 * (1 + Math.random()) : undefined };
}

const reasons = {
  session_expired: "the session has expired",
  membership_revoked: "you are no longer a member of this organization",
  lease: "time to show the session again",
  slow_consumer: "this window was too slow",
  shutdown: "orgcast is stopping",
  closed_by_client: "closed",
  closed_by_operator: "the operator has closed it",
};
