// What has been made: newest first, each with its prompt and when, and what can be done with it again.

import { html } from "./vendor/htm-preact.module.js";
import { Medium, kindOf } from "./media.js";

/** `works`: [{id, title, seed, job, workflow}]; `onOpen(id)` shows one large. */
export function Gallery({ works, more, onMore, onOpen, onUse, onReseed }) {
  return html`
    <section aria-label="Gallery" class="gallery">
      <h2>Gallery</h2>
      ${works.length === 0 && html`<p class="small">What you make is collected here.</p>`}
      <ul>${works.map((work) => html`
        <li key=${work.id}><${Card} work=${work} onOpen=${onOpen} onUse=${onUse} onReseed=${onReseed} /></li>`)}</ul>
      ${more && html`<button type="button" class="wide" onClick=${onMore}>Show older ones</button>`}
    </section>`;
}

function Card({ work, onOpen, onUse, onReseed }) {
  const { id, title, job } = work;
  const outputs = job.outputs ?? [];
  return html`
    <article class="card work" aria-label=${title} data-job=${id}>
      <div class="face"><${Face} work=${work} onOpen=${onOpen} />
        ${outputs.length > 1 && html`<span class="badge">${outputs.length}</span>`}</div>
      <p class="title" title=${title}>${title}</p>
      <${When} job=${job} />
      <${Again} work=${work} onUse=${onUse} onReseed=${onReseed} />
    </article>`;
}

function Face({ work: { id, title, job }, onOpen }) {
  const first = job.outputs?.[0];
  if (job.state !== "completed" || !first)
    return html`<p class="nothing ${job.state}">${job.error?.message ?? (job.state === "completed" ? "made nothing to show" : job.state)}</p>`;
  if (kindOf(first) !== "image") return html`<${Medium} output=${first} label=${title} />`;
  return html`<button type="button" class="plain" aria-label=${`Show large: ${title}`} onClick=${() => onOpen(id)}>
    <${Medium} output=${first} label=${title} /></button>`;
}

export function When({ job }) {
  const ended = new Date(job.finished_at ?? job.created_at);
  const took_s = job.started_at ? (ended - new Date(job.started_at)) / 1000 : null;
  const day = ended.toDateString() === new Date().toDateString() ? "" : `${ended.toLocaleDateString([], { day: "numeric", month: "short" })}, `;
  const clock = ended.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return html`<p class="small"><time datetime=${ended.toISOString()}>${day}${clock}</time>${took_s !== null && ` · ${took_s.toFixed(1)} s`}</p>`;
}

/** The two ways to use a result again. */
export function Again({ work, onUse, onReseed }) {
  return html`<div class="row">
    <button type="button" onClick=${() => onUse(work)} aria-label=${`Use this workflow again: ${work.title}`}>Use again</button>
    ${work.seed !== null && html`<button type="button" onClick=${() => onReseed(work)} aria-label=${`Same with another seed: ${work.title}`}>Other seed</button>`}
  </div>`;
}
