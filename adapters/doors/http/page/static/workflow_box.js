// The workflow box: drop one or take an example, change its inputs, run it.

import { html, useState } from "./vendor/htm-preact.module.js";
import { Examples } from "./examples.js";
import { Form } from "./form.js";

/** `opened`: {workflow, files, problems}, or a workflow of null; `onOpen(source)` gets JSON or a File. */
export function WorkflowBox({ opened, schemas, refused, onOpen, onExample, onChange, onFile, onRun, onError }) {
  const { workflow, files, problems } = opened;
  return html`
    <div class="box">
      <${Drop} onOpen=${onOpen} onError=${onError} small=${workflow !== null} />
      <${Examples} open=${workflow === null} refused=${refused} onError=${onError} onOpen=${onExample} />
      ${workflow && html`<${Form} workflow=${workflow} schemas=${schemas} files=${files} problems=${problems} onChange=${onChange} onFile=${onFile} />`}
      <button type="button" class="primary wide" disabled=${!workflow} onClick=${onRun}>Run</button>
    </div>`;
}

function Drop({ onOpen, onError, small }) {
  const [over, setOver] = useState(false);
  const take = async (file) => {
    if (!file) return;
    if (file.type.startsWith("image/")) return onOpen(file);
    try { onOpen(JSON.parse(await file.text())); }
    catch { onError(new Error(`${file.name} is neither JSON nor a picture that carries a workflow`)); }
  };
  return html`
    <label class="drop ${over ? "over" : ""} ${small ? "small-drop" : ""}"
      onDragOver=${(event) => { event.preventDefault(); setOver(true); }}
      onDragLeave=${() => setOver(false)}
      onDrop=${(event) => { event.preventDefault(); setOver(false); take(event.dataTransfer.files[0]); }}>
      <strong>${small ? "Open another workflow" : "Open a ComfyUI workflow"}</strong>
      <span class="small">Drop JSON here, or a PNG that carries one, or choose a file.</span>
      <input class="unseen" type="file" accept=".json,image/png,image/webp" aria-label="workflow file"
        onChange=${(event) => { take(event.target.files[0]); event.target.value = ""; }} />
    </label>`;
}
