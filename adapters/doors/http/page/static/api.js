// Talks to the native API. Every failure becomes an Error that carries the server's problem document.

const KEY = "dagfusion-api-key";

export const apiKey = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => sessionStorage.setItem(KEY, value),
};

const headers = () => (apiKey.get() ? { Authorization: `Bearer ${apiKey.get()}` } : {});

export class Problem extends Error {
  constructor(status, document) {
    super(document?.detail || document?.title || `the server answered ${status}`);
    this.status = status;
    this.problems = document?.problems ?? [];
  }
}

async function call(path, options = {}) {
  const key = apiKey.get();
  let response;
  try {
    response = await fetch(path, { ...options, headers: { ...headers(), ...options.headers } });
  } catch {
    throw new Error("the server cannot be reached");
  }
  // A key that was given meanwhile: this was the answer to the one before, or to none.
  if (response.status === 401 && apiKey.get() !== key) return call(path, options);
  const document = await response.json().catch(() => null);
  if (!response.ok) throw new Problem(response.status, document);
  return document;
}

const send = (path, body) =>
  call(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

/** The checked workflow in API form, and all its problems. `source` is a parsed JSON document or a File. */
export function check(source) {
  if (!(source instanceof File)) return send("v1/check", { workflow: source });
  const form = new FormData();
  form.append("workflow", source);
  return call("v1/check", { method: "POST", body: form });
}

export const nodes = () => call("v1/nodes");
export const graphs = () => call("v1/graphs");
export const graph = (name) => call(`v1/graphs/${encodeURIComponent(name)}`);
export const models = () => call("v1/models");
export const features = () => call("features");
/** The parameters of a picture as the service documents them: {name: {default, enum, minimum ...}}, by document. */
export const parameters = () => call("openapi.json").then(({ components: { schemas } }) => ({
  picture: schemas.GenerateRequest.properties, control: schemas.ControlParameters.properties,
}));
export const generate = (body) => send("v1/generate", body);
export const submit = (body) => send("v1/jobs", body);
export const job = (id) => call(`v1/jobs/${encodeURIComponent(id)}`);
export const workflowOf = (id) => call(`v1/jobs/${encodeURIComponent(id)}/workflow`);
export const jobs = (limit = 30) => call(`v1/jobs?limit=${limit}`);
export const cancel = (id) => call(`v1/jobs/${encodeURIComponent(id)}`, { method: "DELETE" });

/**
 * Follows a job (or all of them, without an id) over a WebSocket that reconnects and replays what it missed.
 * `onEvent` gets events in order, each once; `onPreview` gets {node_id, picture: Blob}. With `after` null only what is
 * new comes; `onOpen` is called at each connection. Returns a function that stops.
 */
export function follow(id, { onEvent, onPreview = () => {}, onOpen = () => {}, after = 0 }) {
  let socket, stopped = false, timer, wait = 250;
  const connect = () => {
    const query = new URLSearchParams(after === null ? {} : { after });
    if (apiKey.get()) query.set("api_key", apiKey.get());
    const url = new URL(id ? `v1/jobs/${encodeURIComponent(id)}/ws?${query}` : `v1/ws?${query}`, location);
    url.protocol = url.protocol.replace("http", "ws");
    socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => { wait = 250; onOpen(); };
    socket.onmessage = ({ data }) => {
      if (typeof data !== "string") return onPreview(readPreview(data));
      const event = JSON.parse(data);
      after = id ? event.number : event.position;
      onEvent(event);
    };
    socket.onclose = ({ code }) => {
      if (stopped || code === 1000 || code === 1008) return;
      timer = setTimeout(connect, (wait = Math.min(wait * 2, 8000)));
    };
  };
  connect();
  return () => { stopped = true; clearTimeout(timer); socket.close(1000); };
}

/** A preview frame: a 4-byte big-endian length, that many bytes of JSON about the picture, the picture. */
function readPreview(buffer) {
  const length = new DataView(buffer).getUint32(0);
  const about = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  return { ...about, picture: new Blob([new Uint8Array(buffer, 4 + length)], { type: about.media_type }) };
}
