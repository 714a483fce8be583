// From what the prompt box holds to the body of POST /v1/generate.

import { dataUrl } from "./files.js";

/** A box in which nothing was filled in. Empty strings leave the choice to the service. */
export const EMPTY = {
  prompt: "", negative: "", model: "", size: "", width: "", height: "", seed: "", batch: 1, steps: "", cfg: "",
  sampler: "", scheduler: "", loras: [], control: { file: null, model: "", type: "", preprocess: "", strength: 1 },
  start: { file: null, strength: 0.75 },
};

export const SIZES = ["512x512", "768x512", "512x768", "1024x1024", "1216x832", "832x1216"];
export const CUSTOM = "custom";

export async function requestOf(box) {
  const body = { prompt: box.prompt, batch: box.batch, ...sizeOf(box) };
  if (box.negative) body.negative_prompt = box.negative;
  for (const name of ["model", "sampler", "scheduler"]) if (box[name]) body[name] = box[name];
  for (const name of ["seed", "steps", "cfg"]) if (box[name] !== "") body[name] = Number(box[name]);
  const loras = box.loras.filter(({ name }) => name);
  if (loras.length) body.loras = loras.map(({ name, strength }) => ({ name, strength: Number(strength) }));
  if (box.control.file) body.controls = [await controlOf(box.control)];
  if (box.start.file) Object.assign(body, { image: await dataUrl(box.start.file), strength: Number(box.start.strength) });
  return body;
}

function sizeOf({ size, width, height }) {
  if (size === CUSTOM) return { width: Number(width), height: Number(height) };
  if (!size) return {};
  const [wide, high] = size.split("x").map(Number);
  return { width: wide, height: high };
}

async function controlOf({ file, model, type, preprocess, strength }) {
  const control = { image: await dataUrl(file), strength: Number(strength) };
  for (const [name, value] of Object.entries({ model, type, preprocess })) if (value) control[name] = value;
  return control;
}
