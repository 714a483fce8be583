// The job that is looked at: how far it is, the unfinished picture while it samples, and then what came out.

import { html } from "./vendor/htm-preact.module.js";
import { Graph } from "./graph.js";
import { DownloadLink, Medium } from "./media.js";
import { ended } from "./progress.js";

/** `watched`: of `useWatchedJob`; `workflow`: the graph to draw, or null; `graphOpen`: whether before anybody asks. */
export function Stage({ watched, workflow, graphOpen, problems, message, onCancel }) {
  const { id, run, preview, outputs } = watched;
  const busy = id && !ended(run.state);
  return html`
    <section class="card stage" aria-label="run">
      <div class="row head"><${Status} run=${run} workflow=${workflow} />
        ${busy && html`<button type="button" onClick=${() => onCancel(id)}>Cancel</button>`}</div>
      <${Troubles} message=${message} error=${run.error} problems=${problems} />
      ${busy && (preview
        ? html`<img class="preview" src=${preview} alt="unfinished picture" />`
        : html`<div class="blank" aria-hidden="true"></div>`)}
      ${!id && !message && problems.length === 0 && html`<p class="hint">Write a prompt and press Generate, or open a workflow.
        Pictures appear here while they are drawn.</p>`}
      ${outputs.length > 0 && html`<div class="outputs ${outputs.length === 1 ? "one" : ""}">${outputs.map((output) => html`<${Result} key=${output.name} output=${output} />`)}</div>`}
      ${workflow && html`<details class="graph-box" open=${graphOpen}><summary>Graph</summary>
        <${Graph} workflow=${workflow} states=${run.nodes} problems=${problems} /></details>`}
    </section>`;
}

function Result({ output }) {
  const label = `${output.name}${output.cached ? " (from the cache)" : ""}`;
  return html`<figure><${Medium} output=${output} label=${label} />
    <figcaption>${output.url ? html`<${DownloadLink} output=${output}>${label}</${DownloadLink}>` : label}</figcaption></figure>`;
}

function Status({ run, workflow }) {
  if (run.state === "idle") return html`<span role="status" class="small">ready</span>`;
  const percent = Math.round(100 * run.fraction);
  const [id, node] = Object.entries(run.nodes).find(([, { state }]) => state === "running") ?? [];
  const doing = node && workflow?.[id] ? workflow[id]._meta?.title || workflow[id].class_type : "";
  return html`
    <span class="dot ${run.state}" aria-hidden="true"></span>
    <span role="status">${run.state}</span>
    ${!ended(run.state) && html`<span class="small doing">${doing}</span>
      <progress max="100" value=${percent} aria-label="progress of the run">${percent} %</progress>`}`;
}

function Troubles({ message, error, problems }) {
  const remedy = (of) => of.remedy && ` (${of.remedy})`;
  return html`
    <div role="alert">
      ${message && html`<p class="problem">${message}</p>`}
      ${error && html`<p class="problem">${error.message}${remedy(error)}</p>`}
      ${problems.length > 0 && html`<ul class="problem">${problems.map((problem) => html`
        <li>${problem.node_id && `node ${problem.node_id} (${problem.class_type}): `}${problem.message}${remedy(problem)}</li>`)}</ul>`}
    </div>`;
}
