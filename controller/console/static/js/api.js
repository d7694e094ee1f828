// Requests to the controller. Owns keys, headers and how errors become words.

function freshKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return "console-" + Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

export class ApiError extends Error {
  constructor(detail, next) {
    super(detail);
    this.next = next;
  }
}

async function answerOf(response) {
  const body = await response.json().catch(() => ({}));
  if (!response.ok) {
    throw new ApiError(body.detail || `the controller answered ${response.status}`, body.next || "");
  }
  return body;
}

export async function get(path) {
  return answerOf(await fetch(path, { headers: { Accept: "application/json" } }));
}

export async function post(path, body = {}) {
  const headers = {
    "Content-Type": "application/json",
    "Idempotency-Key": freshKey(),
    "X-Operator": "console",
  };
  return answerOf(await fetch(path, { method: "POST", headers, body: JSON.stringify(body) }));
}

// A mission file as it is; the controller tells its syntax by its content.
export async function postFile(path, text) {
  const headers = { "Content-Type": "application/json", "X-Operator": "console" };
  return answerOf(await fetch(path, { method: "POST", headers, body: text }));
}

export const at = (...parts) => "/" + parts.map(encodeURIComponent).join("/");
