// Files that people choose: read as data URLs, and a field for a picture.

import { html, useEffect, useState } from "./vendor/htm-preact.module.js";

export function dataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error(`${file.name} cannot be read`));
    reader.readAsDataURL(file);
  });
}

/** A button to choose a picture; what was chosen is shown, and can be taken out again. `onFile` gets a File or null. */
export function PictureField({ label, file, onFile }) {
  const address = useAddress(file);
  const choose = (event) => { onFile(event.target.files[0] ?? null); event.target.value = ""; };
  return html`
    <div class="picture-field">
      ${file && address && html`<img src=${address} alt=${`chosen: ${file.name}`} />`}
      <label class="button">${file ? "Another picture" : label}
        <input class="unseen" type="file" accept="image/*" aria-label=${label} onChange=${choose} /></label>
      ${file && html`<button type="button" aria-label=${`Remove ${file.name}`} onClick=${() => onFile(null)}>Remove</button>`}
    </div>`;
}

function useAddress(file) {
  const [address, setAddress] = useState(null);
  useEffect(() => {
    if (!file) { setAddress(null); return undefined; }
    const made = URL.createObjectURL(file);
    setAddress(made);
    return () => URL.revokeObjectURL(made);
  }, [file]);
  return address;
}
