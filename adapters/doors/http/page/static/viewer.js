// One result large, over the page: all that its job made, with its prompt; arrow keys go to the others, Escape closes.

import { html, useEffect, useRef } from "./vendor/htm-preact.module.js";
import { Again, When } from "./gallery.js";
import { DownloadLink, Medium } from "./media.js";

/** `works` in the gallery's order, `open`: the id of the one that is shown, or null. */
export function Viewer({ works, open, onOpen, onUse, onReseed }) {
  const dialog = useRef(null);
  const place = works.findIndex(({ id }) => id === open);
  const work = works[place];
  useEffect(() => {
    if (work && !dialog.current.open) dialog.current.showModal();
    if (!work && dialog.current.open) dialog.current.close();
  }, [work]);
  const go = (step) => { const next = works[place + step]; if (next) onOpen(next.id); };
  const press = (event) => {
    if (event.target.matches("video, audio, pre")) return; // they have uses of their own for arrow keys
    if (event.key === "ArrowRight") go(1);
    if (event.key === "ArrowLeft") go(-1);
  };
  const close = () => onOpen(null);
  const then = (act) => (chosen) => { close(); act(chosen); };
  return html`
    <dialog ref=${dialog} aria-label="result" onClose=${close} onKeyDown=${press}
      onClick=${(event) => { if (event.target === dialog.current) close(); }}>
      ${work && html`
        <div class="viewer">
          <div class="row bar">
            <button type="button" aria-label="Newer" disabled=${place === 0} onClick=${() => go(-1)}>←</button>
            <button type="button" aria-label="Older" disabled=${place === works.length - 1} onClick=${() => go(1)}>→</button>
            <span class="small">${place + 1} of ${works.length}</span>
            <button type="button" class="last" aria-label="Close" onClick=${close}>✕</button>
          </div>
          <div class="shown">${(work.job.outputs ?? []).map((output) => html`
            <figure key=${output.name}><${Medium} output=${output} label=${`${work.title} (${output.name})`} />
              ${output.url && html`<figcaption><${DownloadLink} output=${output}>${output.name}</${DownloadLink}></figcaption>`}</figure>`)}</div>
          <p class="words">${work.title}</p>
          <div class="row"><${When} job=${work.job} />${work.seed !== null && html`<span class="small">seed ${work.seed}</span>`}</div>
          <${Again} work=${work} onUse=${then(onUse)} onReseed=${then(onReseed)} />
        </div>`}
    </dialog>`;
}
