// The example workflows that this server has and can run, for who has none at hand.

import { html, useEffect, useState } from "./vendor/htm-preact.module.js";
import * as api from "./api.js";

/** `open`: whether they are shown before anybody asks. `onOpen(workflow, files)`: `files` as the form has them. */
export function Examples({ open, refused, onOpen, onError }) {
  const [graphs, setGraphs] = useState([]);
  useEffect(() => { if (!refused) api.graphs().then(setGraphs, () => {}); }, [refused]);
  const choose = async (name) => {
    try {
      const { workflow, files } = await api.graph(name);
      onOpen(workflow, chosenFiles(workflow, files));
    } catch (error) { onError(error); }
  };
  const here = graphs.filter((graph) => graph.runs);
  if (here.length === 0) return null;
  return html`
    <details class="examples" open=${open}>
      <summary>Examples</summary>
      <ul>
        ${here.map(({ name, description }) => html`
          <li key=${name}><button type="button" onClick=${() => choose(name)}>${name.replaceAll("_", " ")}</button>
            <span class="small">${description}</span></li>`)}
      </ul>
    </details>`;
}

/** {"id.input": File} for the inputs that name one of `files` (name -> data URL). */
function chosenFiles(workflow, files) {
  const found = {};
  for (const [id, node] of Object.entries(workflow))
    for (const [input, value] of Object.entries(node.inputs))
      if (Object.hasOwn(files, value)) found[`${id}.${input}`] = fileOf(value, files[value]);
  return found;
}

function fileOf(name, dataUrl) {
  const [, type, content] = dataUrl.match(/^data:(.+);base64,(.*)$/);
  return new File([Uint8Array.from(atob(content), (character) => character.charCodeAt(0))], name, { type });
}
