// What runs and what waits, each with its place and a way to cancel it.

import { html } from "./vendor/htm-preact.module.js";
import { ended } from "./progress.js";

/** `known`: id -> what the page has read of a job; `current`: the id of the job that is shown. */
export function Queue({ jobs, known, current, onWatch, onCancel }) {
  const waiting = jobs.filter((job) => !ended(job.state)).sort(byTurn);
  if (waiting.length === 0) return null;
  return html`
    <section class="card queue" aria-label="Queue">
      <h2>Queue <span class="count">${waiting.length}</span></h2>
      <ol>${waiting.map((job) => html`
        <${Waiting} key=${job.id} job=${job} title=${known.get(job.id)?.title} shown=${job.id === current}
          onWatch=${onWatch} onCancel=${onCancel} />`)}</ol>
    </section>`;
}

const byTurn = (one, other) => (one.queue_place ?? 0) - (other.queue_place ?? 0);

function Waiting({ job, title, shown, onWatch, onCancel }) {
  const fraction = job.progress?.fraction ?? 0;
  const short = job.id.slice(0, 8);
  return html`
    <li class=${shown ? "shown" : ""}>
      <button type="button" class="plain" aria-current=${shown ? "true" : undefined} onClick=${() => onWatch(job.id)}>
        <span class="title">${title ?? short}</span>
        <span class="small">${job.state === "running" ? `running, ${Math.round(100 * fraction)} %` : place(job.queue_place)}</span>
        ${job.state === "running" && html`<progress max="1" value=${fraction} aria-label=${`progress of job ${short}`}></progress>`}
      </button>
      <button type="button" aria-label=${`Cancel job ${short}`} onClick=${() => onCancel(job.id)}>Cancel</button>
    </li>`;
}

const place = (number) => (number === 1 ? "next" : number ? `place ${number}` : "waiting");
