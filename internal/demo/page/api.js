// The application's own calls. orgcast has no part in them.

export class Failure extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export async function call(method, path, body) {
  const init = { method, headers: {}, cache: "no-store" };
  if (body !== undefined) {
    init.headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, init);
  } catch {
    throw new Failure(0, "The demo does not answer. Is it still running?");
  }
  if (response.status === 204) return null;
  const text = await response.text();
  if (response.ok) return JSON.parse(text);
  throw new Failure(response.status, problem(text));
}

function problem(text) {
  try {
    return JSON.parse(text).error;
  } catch {
    return text.slice(0, 200);
  }
}

const segment = encodeURIComponent;

export const users = () => call("GET", "/api/users");
export const me = () => call("GET", "/api/me");
export const signIn = (userId) => call("POST", "/api/session", { userId });
export const signOut = () => call("DELETE", "/api/session");
export const board = (organization) => call("GET", `/api/organizations/${segment(organization)}/properties`);
export const create = (organization, property) => call("POST", `/api/organizations/${segment(organization)}/properties`, property);
export const update = (property, change) => call("PATCH", `/api/properties/${segment(property)}`, change);
export const remove = (property) => call("DELETE", `/api/properties/${segment(property)}`);
export const move = (property, organizationId) => call("POST", `/api/properties/${segment(property)}/move`, { organizationId });
export const createNote = (property, content) => call("POST", `/api/properties/${segment(property)}/notes`, { content });
export const deleteNote = (note) => call("DELETE", `/api/notes/${segment(note)}`);
export const notify = (organization, userId, text) => call("POST", `/api/organizations/${segment(organization)}/notifications`, { userId, text });

// streamURL is orgcast's, at the page's own origin.
export const streamURL = (organization) => `/api/realtime/stream?organizationId=${segment(organization)}`;
