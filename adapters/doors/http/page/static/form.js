// A form for a workflow's typed-in inputs, made from the node classes' schemas: prompts, seeds and pictures first.

import { html, useState } from "./vendor/htm-preact.module.js";

const SEEDS = ["seed", "noise_seed"];

/** `onChange(id, input, value)`; `onFile(id, input, file)` gets a picture that is to be sent along. */
export function Form({ workflow, schemas, files, problems, onChange, onFile }) {
  const fields = Object.entries(workflow).flatMap(([id, node]) => fieldsOf(id, node, schemas[node.class_type]));
  const main = fields.filter(({ kind }) => kind === "prompt" || kind === "seed" || kind === "picture");
  const others = fields.filter((field) => !main.includes(field));
  const show = (field) => html`
    <${Field} key=${`${field.id}.${field.name}`} field=${field} file=${files[`${field.id}.${field.name}`]}
      problem=${problems.find((p) => p.node_id === field.id && p.input === field.name)}
      onChange=${(value) => onChange(field.id, field.name, value)}
      onFile=${(file) => onFile(field.id, field.name, file)} />`;
  return html`
    <div class="form">
      ${main.map(show)}
      ${others.length > 0 && html`<details><summary>All other inputs (${others.length})</summary>${others.map(show)}</details>`}
    </div>`;
}

/** What can be edited of a node: its inputs that are no links. */
export function fieldsOf(id, node, schema) {
  const known = { ...schema?.input?.required, ...schema?.input?.optional };
  return Object.entries(node.inputs ?? {})
    .filter(([, value]) => !Array.isArray(value) && typeof value !== "object")
    .map(([name, value]) => {
      const [type, options = {}] = known[name] ?? [typeof value === "number" ? "FLOAT" : "STRING"];
      return { id, name, value, type, options, title: node._meta?.title || node.class_type, kind: kindOf(name, type, options) };
    });
}

function kindOf(name, type, options) {
  if (options.image_upload) return "picture";
  if (Array.isArray(type)) return "choice";
  if (type === "INT" && (options.control_after_generate || SEEDS.includes(name))) return "seed";
  if (type === "STRING") return options.multiline ? "prompt" : "text";
  return { INT: "number", FLOAT: "number", BOOLEAN: "switch" }[type] ?? "text";
}

function Field({ field, file, problem, onChange, onFile }) {
  const name = `${field.id}-${field.name}`;
  const label = `${field.title}: ${field.name}`;
  const described = problem ? `${name}-problem` : undefined;
  return html`
    <div class="field ${field.kind} ${problem ? "bad" : ""}">
      <label for=${name}>${label}</label>
      <${Input} id=${name} described=${described} field=${field} file=${file} onChange=${onChange} onFile=${onFile} />
      ${problem && html`<p class="problem" id=${described}>${problem.message}${problem.remedy && ` (${problem.remedy})`}</p>`}
    </div>`;
}

function Input({ id, described, field, file, onChange, onFile }) {
  const { kind, type, options, value } = field;
  const common = { id, "aria-describedby": described };
  const text = (event) => onChange(event.target.value);
  const number = (event) => event.target.value !== "" && onChange(Number(event.target.value));
  switch (kind) {
    case "prompt":
      return html`<textarea ...${common} rows="3" onInput=${text} value=${value}></textarea>`;
    case "choice":
      return html`<select ...${common} onChange=${text}>
        ${(type.includes(value) ? type : [value, ...type]).map((one) => html`<option selected=${one === value}>${one}</option>`)}
      </select>`;
    case "switch":
      return html`<input ...${common} type="checkbox" checked=${value} onChange=${(e) => onChange(e.target.checked)} />`;
    case "number":
      return html`<input ...${common} type="number" min=${options.min} max=${options.max}
        step=${type === "INT" ? options.step ?? 1 : "any"} value=${value} onInput=${number} />`;
    case "seed":
      return html`<span class="row"><input ...${common} type="number" min="0" step="1" value=${value} onInput=${number} />
        <button type="button" onClick=${() => onChange(Math.floor(Math.random() * 2 ** 48))}>Random</button></span>`;
    case "picture":
      return html`<${Picture} common=${common} field=${field} file=${file} onFile=${onFile} />`;
    default:
      return html`<input ...${common} type="text" value=${String(value)} onInput=${text} />`;
  }
}

function Picture({ common, field, file, onFile }) {
  const [address, setAddress] = useState(null);
  const choose = (event) => {
    const chosen = event.target.files[0];
    if (!chosen) return;
    setAddress(URL.createObjectURL(chosen));
    onFile(chosen);
  };
  return html`
    <span class="row"><input ...${common} type="file" accept="image/*" onChange=${choose} />
      <span class="small">${file ? file.name : `now: ${field.value}`}</span></span>
    ${address && html`<img class="thumb" src=${address} alt="chosen picture" />`}`;
}
