// Shows what a job made: pictures, animations, film, sound, texts, and links to everything else.

import { html } from "./vendor/htm-preact.module.js";

/** `outputs`: those of `GET /v1/jobs/{id}`. */
export function Outputs({ outputs }) {
  if (!outputs.length) return null;
  return html`
    <section aria-label="outputs" class="outputs">
      ${outputs.map((output) => html`<${Output} key=${output.name} output=${output} />`)}
    </section>`;
}

function Output({ output }) {
  const label = `${output.name}${output.cached ? " (from the cache)" : ""}`;
  return html`
    <figure>
      ${shown(output, label)}
      <figcaption>${output.url ? html`<a href=${output.url} download=${output.name}>${label}</a>` : label}</figcaption>
    </figure>`;
}

function shown(output, label) {
  const [family] = (output.media_type ?? "").split("/");
  if (!output.url) return html`<pre>${text(output.value)}</pre>`;
  if (family === "image") return html`<img src=${output.url} alt=${label} />`;
  if (family === "video") return html`<video src=${output.url} controls loop aria-label=${label}></video>`;
  if (family === "audio") return html`<audio src=${output.url} controls aria-label=${label}></audio>`;
  return null;
}

const text = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 1));
