// Draws the workflow as a graph whose nodes light up as they run.

import { html } from "./vendor/htm-preact.module.js";
import { NODE_HEIGHT, NODE_WIDTH, layout, links } from "./layout.js";

const MARGIN = 8;
const LEAST_SCALE = 0.7; // smaller, its words cannot be read: it scrolls instead
const WORDS = { waiting: "waiting", running: "running", done: "done", cached: "cached", failed: "failed", blocked: "blocked" };

/** `states`: id -> {state, fraction}; `problems`: those of the last check, by node. */
export function Graph({ workflow, states, problems }) {
  const { places, width, height } = layout(workflow);
  const bad = new Set(problems.map((problem) => problem.node_id));
  const [wide, high] = [width + 2 * MARGIN, height + 2 * MARGIN];
  return html`
    <div class="graph" role="group" aria-label="workflow graph" tabindex="0">
    <svg viewBox="${-MARGIN} ${-MARGIN} ${wide} ${high}" style=${`min-width: ${LEAST_SCALE * wide}px; max-width: ${wide}px`}>
      ${links(workflow).map(({ from, to, input }) => html`
        <path class="link ${states[to]?.state === "running" ? "active" : ""}" key="${from}-${to}-${input}"
              d=${curve(places.get(from), places.get(to))} />`)}
      ${Object.entries(workflow).map(([id, node]) => html`
        <${Node} key=${id} id=${id} node=${node} place=${places.get(id)} bad=${bad.has(id)}
                 ...${states[id] ?? { state: "idle" }} />`)}
    </svg></div>`;
}

function Node({ id, node, place, state, fraction = 0, bad }) {
  const title = node._meta?.title || node.class_type;
  const spoken = `${title}, node ${id}${WORDS[state] ? `, ${WORDS[state]}` : ""}${bad ? ", has a problem" : ""}`;
  return html`
    <g class="node ${state} ${bad ? "bad" : ""}" transform="translate(${place.x} ${place.y})" role="img"
       aria-label=${spoken} data-node=${id} data-state=${state}>
      <title>${spoken}</title>
      <rect width=${NODE_WIDTH} height=${NODE_HEIGHT} rx="8" />
      ${state === "running" && html`<rect class="bar" y=${NODE_HEIGHT - 5} height="5" width=${NODE_WIDTH * fraction} rx="2" />`}
      <text x="10" y="18">${shortened(title)}</text>
      <text class="small" x="10" y="34">#${id}${WORDS[state] ? ` · ${WORDS[state]}` : ""}</text>
    </g>`;
}

const shortened = (text) => (text.length > 22 ? `${text.slice(0, 21)}…` : text);

function curve(from, to) {
  const [x1, y1, x2, y2] = [from.x + NODE_WIDTH, from.y + NODE_HEIGHT / 2, to.x, to.y + NODE_HEIGHT / 2];
  const bend = Math.max(24, Math.abs(x2 - x1) / 2);
  return `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
}
