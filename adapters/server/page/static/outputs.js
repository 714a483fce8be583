// Shows what a job made: pictures, animations, film, sound, texts, and links to everything else.

import { html, useEffect, useState } from "./vendor/htm-preact.module.js";
import { media } from "./api.js";

/** `outputs`: those of `GET /v1/jobs/{id}`. */
export function Outputs({ outputs }) {
  if (!outputs.length) return null;
  return html`
    <section aria-label="outputs" class="outputs">
      ${outputs.map((output) => html`<${Output} key=${output.name} output=${output} />`)}
    </section>`;
}

function Output({ output }) {
  const [address, setAddress] = useState(output.data_url ?? null);
  useEffect(() => {
    if (!output.url) return undefined;
    let made = null;
    media(output.url).then((found) => { made = found; setAddress(found); });
    return () => made?.startsWith("blob:") && URL.revokeObjectURL(made);
  }, [output.url]);
  const label = `${output.name}${output.cached ? " (from the cache)" : ""}`;
  return html`
    <figure>
      ${shown(output, address, label)}
      <figcaption>${address ? html`<a href=${address} download=${output.name}>${label}</a>` : label}</figcaption>
    </figure>`;
}

function shown(output, address, label) {
  const [family] = (output.media_type ?? "").split("/");
  if (output.media_type == null) return html`<pre>${text(output.data)}</pre>`;
  if (!address) return null;
  if (family === "image") return html`<img src=${address} alt=${label} />`;
  if (family === "video") return html`<video src=${address} controls loop aria-label=${label}></video>`;
  if (family === "audio") return html`<audio src=${address} controls aria-label=${label}></audio>`;
  return null;
}

const text = (data) => (typeof data === "string" ? data : JSON.stringify(data, null, 1));
