// The queue and the history: newest first, each job with what can be done to it.

import { html } from "./vendor/htm-preact.module.js";
import { ended } from "./progress.js";

/** `current`: the id of the job that is shown. */
export function Jobs({ jobs, current, onOpen, onCancel }) {
  const groups = [
    ["Queue", jobs.filter((job) => !ended(job.state))],
    ["History", jobs.filter((job) => ended(job.state))],
  ];
  return html`${groups.map(([title, members]) => html`
    <section aria-label=${title}>
      <h2>${title} <span class="small">${members.length}</span></h2>
      ${members.length === 0 && html`<p class="small">nothing here</p>`}
      <ul class="jobs">
        ${members.map((job) => html`<${Job} key=${job.id} job=${job} shown=${job.id === current} onOpen=${onOpen} onCancel=${onCancel} />`)}
      </ul>
    </section>`)}`;
}

function Job({ job, shown, onOpen, onCancel }) {
  const percent = Math.round(100 * (job.progress?.fraction ?? 0));
  return html`
    <li class=${shown ? "shown" : ""}>
      <button type="button" class="plain" aria-current=${shown ? "true" : undefined} onClick=${() => onOpen(job.id)}>
        <span class="dot ${job.state}" aria-hidden="true"></span>
        <span>${job.state}${job.state === "running" ? ` ${percent} %` : ""}</span>
        <time class="small">${clock(job.created_at)}</time>
        <code class="small">${job.id.slice(0, 8)}</code>
      </button>
      ${!ended(job.state) && html`
        <button type="button" aria-label=${`Cancel job ${job.id.slice(0, 8)}`} onClick=${() => onCancel(job.id)}>Cancel</button>`}
    </li>`;
}

function clock(when) {
  const date = typeof when === "number" ? new Date(when * 1000) : new Date(when);
  return date.toLocaleTimeString();
}
