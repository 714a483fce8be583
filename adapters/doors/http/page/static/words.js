// What a workflow is about, in words: its prompt, its seed, and the same workflow with another one.

const SEEDS = ["seed", "noise_seed"];
const TEXTS = ["text", "prompt", "text_g", "clip_l", "t5xxl", "tags", "caption"];
const PROMPTED = ["positive", "conditioning", "guider", "cond1", "conditioning_1", "clip", "model"];
const MOST_STEPS = 200;

/** The prompt: the text that the sampler's positive side begins with; "" where there is none. */
export function promptOf(workflow) {
  const samplers = Object.values(workflow).filter(({ inputs }) => inputs?.positive || inputs?.guider);
  for (const { inputs } of samplers) {
    const found = textAbove(workflow, inputs.positive ?? inputs.guider);
    if (found) return found;
  }
  return Object.values(workflow).map(ownText).sort((a, b) => b.length - a.length)[0] ?? "";
}

/** The first text on the way up from a link, nearest first, through whatever changes the conditioning. */
function textAbove(workflow, link) {
  const open = [link], seen = new Set();
  while (open.length && seen.size < MOST_STEPS) {
    const id = linked(open.shift());
    const node = workflow[id];
    if (!node || seen.has(id)) continue;
    seen.add(id);
    const text = ownText(node);
    if (text) return text;
    open.push(...TEXTS.map((name) => node.inputs?.[name]), ...PROMPTED.map((name) => node.inputs?.[name]));
  }
  return "";
}

const linked = (value) => (Array.isArray(value) ? String(value[0]) : null);

function ownText({ inputs, class_type: type }) {
  const found = TEXTS.map((name) => inputs?.[name]).find((value) => typeof value === "string" && value.trim());
  return found?.trim() ?? (type?.startsWith("Primitive") && typeof inputs?.value === "string" ? inputs.value.trim() : "");
}

/** A line for people: the prompt, or what else tells one workflow from another. */
export function titleOf(workflow) {
  const nodes = Object.values(workflow);
  const saved = nodes.map(({ inputs }) => inputs?.filename_prefix).find((value) => typeof value === "string");
  return promptOf(workflow) || saved || `workflow of ${nodes.length} nodes`;
}

const seedInputs = (node) => SEEDS.filter((name) => Number.isInteger(node.inputs?.[name]));

/** The first seed, or null. */
export function seedOf(workflow) {
  for (const node of Object.values(workflow)) for (const name of seedInputs(node)) return node.inputs[name];
  return null;
}

export const randomSeed = () => Math.floor(Math.random() * 2 ** 48);

/** The workflow with a new random seed wherever it has one. */
export function withOtherSeeds(workflow, draw = randomSeed) {
  return Object.fromEntries(Object.entries(workflow).map(([id, node]) => [id, {
    ...node, inputs: { ...node.inputs, ...Object.fromEntries(seedInputs(node).map((name) => [name, draw()])) },
  }]));
}
