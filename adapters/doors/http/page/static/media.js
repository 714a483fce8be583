// Shows one thing that a job made: a picture, an animation, film, sound, text, or a link to anything else.

import { html, useState } from "./vendor/htm-preact.module.js";

export const kindOf = (output) => (output.url ? (output.media_type ?? "").split("/")[0] : "text");

/** `label`: what it is called where it cannot be seen. A film or sound that this browser cannot play becomes a link. */
export function Medium({ output, label }) {
  const [unplayable, setUnplayable] = useState(false);
  const fail = () => setUnplayable(true);
  const kind = kindOf(output);
  if (kind === "text") return html`<pre tabindex="0" aria-label=${label}>${text(output.value)}</pre>`;
  if (unplayable) return html`<${Saved} output=${output} why=${`This browser does not show ${output.media_type}.`} />`;
  if (kind === "image") return html`<img src=${output.url} alt=${label} onError=${fail} loading="lazy" />`;
  if (kind === "video") return html`<video src=${output.url} controls loop playsinline preload="metadata" aria-label=${label} onError=${fail}></video>`;
  if (kind === "audio") return html`<audio src=${output.url} controls preload="metadata" aria-label=${label} onError=${fail}></audio>`;
  return html`<${Saved} output=${output} why="" />`;
}

function Saved({ output, why }) {
  return html`<p class="saved">${why} <${DownloadLink} output=${output}>Download ${output.name}</${DownloadLink}></p>`;
}

export function DownloadLink({ output, children }) {
  return html`<a href=${`${output.url}&download=true`} download=${output.name}>${children}</a>`;
}

const text = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 1));
