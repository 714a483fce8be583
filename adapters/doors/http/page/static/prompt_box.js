// The prompt box: a picture by plain parameters, for whoever has no graph.

import { html, useEffect, useState } from "./vendor/htm-preact.module.js";
import * as api from "./api.js";
import { PictureField } from "./files.js";
import { CUSTOM, EMPTY, SIZES, requestOf } from "./picture.js";
import { randomSeed } from "./words.js";

/** `schemas`: the node classes, for samplers; `onGenerate(body)` gets the request. */
export function PromptBox({ schemas, refused, onGenerate, onError }) {
  const [box, setBox] = useState(EMPTY);
  const [models, setModels] = useState({});
  const [known, setKnown] = useState({ picture: {}, control: {} });
  useEffect(() => {
    if (refused) return;
    api.models().then(setModels, onError);
    api.parameters().then(setKnown, onError);
  }, [refused]);

  const change = (part) => setBox((now) => ({ ...now, ...part }));
  const set = (name) => (event) => change({ [name]: event.target.value });
  const submit = async (event) => {
    event.preventDefault();
    try { onGenerate(await requestOf(box)); } catch (error) { onError(error); }
  };
  const hurry = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.currentTarget.requestSubmit();
  };
  const sampling = schemas.KSampler?.input.required ?? {};
  const named = (kind) => (models[kind] ?? []).map(({ name }) => name);
  const usual = (models.checkpoints ?? []).find((model) => model.default)?.name;
  return html`
    <form class="box" aria-label="picture by prompt" onSubmit=${submit} onKeyDown=${hurry}>
      <label class="field">Prompt
        <textarea class="prompt" rows="3" required value=${box.prompt} onInput=${set("prompt")}
          placeholder="What do you want to see?"></textarea></label>
      <div class="pair">
        <${Choice} label="Model" value=${box.model} onChange=${set("model")} choices=${named("checkpoints")}
          none=${usual ? `${stem(usual)} (default)` : "no checkpoint here"} shown=${stem} />
        <${Choice} label="Size" value=${box.size} onChange=${set("size")} choices=${[...SIZES, CUSTOM]}
          none="the model's own" shown=${(size) => size.replace("x", " × ")} />
        ${box.size === CUSTOM && html`
          <${Count} label="Width" value=${box.width} onInput=${set("width")} known=${SIDE} required />
          <${Count} label="Height" value=${box.height} onInput=${set("height")} known=${SIDE} required />`}
        <label class="field">Seed
          <span class="joined"><input type="number" min="0" step="1" value=${box.seed} placeholder="random" onInput=${set("seed")} />
            <button type="button" aria-label="Draw a seed" title="Draw a seed" onClick=${() => change({ seed: randomSeed() })}>⚄</button></span></label>
        <${Count} label="Pictures" value=${box.batch} known=${{ minimum: 1, maximum: 16 }} required
          onInput=${(event) => change({ batch: Number(event.target.value) })} />
      </div>
      <${Loras} names=${named("loras")} chosen=${box.loras} onChange=${(loras) => change({ loras })} />
      <${Control} control=${box.control} known=${known.control} models=${named("controlnet")}
        onChange=${(part) => change({ control: { ...box.control, ...part } })} />
      <${Start} start=${box.start} onChange=${(part) => change({ start: { ...box.start, ...part } })} />
      <details><summary>More</summary>
        <label class="field">Not in the picture
          <textarea rows="2" value=${box.negative} onInput=${set("negative")}></textarea></label>
        <div class="pair">
          <${Count} label="Steps" value=${box.steps} known=${known.picture.steps} onInput=${set("steps")} />
          <${Count} label="CFG" value=${box.cfg} known=${known.picture.cfg} step="any" onInput=${set("cfg")} />
          <${Choice} label="Sampler" value=${box.sampler} onChange=${set("sampler")}
            choices=${sampling.sampler_name?.[0] ?? []} none=${known.picture.sampler?.default ?? ""} />
          <${Choice} label="Scheduler" value=${box.scheduler} onChange=${set("scheduler")}
            choices=${sampling.scheduler?.[0] ?? []} none=${known.picture.scheduler?.default ?? ""} />
        </div></details>
      <button class="primary wide" title="Ctrl+Enter">Generate</button>
    </form>`;
}

const SIDE = { minimum: 16, maximum: 8192 };
const stem = (name) => name.replace(/\.\w+$/, "");

/** `none`: what the empty choice is called, where the service chooses. */
function Choice({ label, value, choices, none, shown = (name) => name, onChange }) {
  return html`<label class="field">${label}
    <select aria-label=${label} onChange=${onChange}><option value="" selected=${value === ""}>${none}</option>
      ${choices.map((one) => html`<option value=${one} selected=${one === value}>${shown(one)}</option>`)}</select></label>`;
}

/** `known`: the parameter's own document. */
function Count({ label, value, known = {}, onInput, step = label === "Width" || label === "Height" ? 8 : 1, required }) {
  return html`<label class="field">${label}
    <input type="number" min=${known.minimum} max=${known.maximum} step=${step} value=${value} required=${required}
      placeholder=${known.default} onInput=${onInput} /></label>`;
}

/** `most` 1 or 2: how far a strength goes. */
function Strength({ label = "Strength", value, most = 2, onInput }) {
  return html`<label class="field"><span class="spread">${label}<span>${Number(value).toFixed(2)}</span></span>
    <input type="range" min="0" max=${most} step="0.05" value=${value} aria-label=${label} onInput=${onInput} /></label>`;
}

function Loras({ names, chosen, onChange }) {
  if (names.length === 0) return null;
  const at = (place, part) => onChange(chosen.map((one, index) => (index === place ? { ...one, ...part } : one)));
  return html`
    <details><summary>LoRAs ${chosen.length > 0 && html`<span class="count">${chosen.length}</span>`}</summary>
      ${chosen.map(({ name, strength }, place) => html`
        <div class="lora" role="group" aria-label=${`LoRA ${place + 1}`}>
          <${Choice} label="LoRA" value=${name} choices=${names} none="choose one" shown=${stem} onChange=${(event) => at(place, { name: event.target.value })} />
          <${Strength} value=${strength} onInput=${(event) => at(place, { strength: event.target.value })} />
          <button type="button" aria-label=${`Remove LoRA ${place + 1}`} onClick=${() => onChange(chosen.filter((_, index) => index !== place))}>✕</button>
        </div>`)}
      <button type="button" onClick=${() => onChange([...chosen, { name: names[0], strength: 1 }])}>Add a LoRA</button>
    </details>`;
}

function Control({ control, known, models, onChange }) {
  if (models.length === 0) return null;
  const set = (name) => (event) => onChange({ [name]: event.target.value });
  return html`
    <details><summary>Control picture ${control.file && html`<span class="count">1</span>`}</summary>
      <${PictureField} label="Choose a control picture" file=${control.file} onFile=${(file) => onChange({ file })} />
      <div class="pair">
        <${Choice} label="It shows" value=${control.type} choices=${known.type?.enum ?? []} none=${known.type?.default ?? ""} onChange=${set("type")} />
        <${Choice} label="Make it of a photo by" value=${control.preprocess} choices=${known.preprocess?.enum ?? []}
          none=${known.preprocess?.default ?? ""} onChange=${set("preprocess")} />
        <${Choice} label="ControlNet" value=${control.model} choices=${models} none="by what it shows" shown=${stem} onChange=${set("model")} />
        <${Strength} value=${control.strength} onInput=${set("strength")} />
      </div></details>`;
}

function Start({ start, onChange }) {
  return html`
    <details><summary>Start from a picture ${start.file && html`<span class="count">1</span>`}</summary>
      <${PictureField} label="Choose a picture to change" file=${start.file} onFile=${(file) => onChange({ file })} />
      <${Strength} label="How much changes" value=${start.strength} most="1" onInput=${(event) => onChange({ strength: event.target.value })} />
    </details>`;
}
