// Places the nodes of an API-form workflow in columns: a node stands right of everything it reads.

export const NODE_WIDTH = 168;
export const NODE_HEIGHT = 44;
const GAP_X = 44;
const GAP_Y = 18;

/** The links of a workflow: [{from, to, input}], only between nodes that exist. */
export function links(workflow) {
  const found = [];
  for (const [to, node] of Object.entries(workflow))
    for (const [input, value] of Object.entries(node.inputs ?? {}))
      if (Array.isArray(value) && value.length === 2 && workflow[value[0]]) found.push({ from: String(value[0]), to, input });
  return found;
}

/** {places: Map id -> {x, y}, width, height}. Cycles do no harm: their nodes share the last column. */
export function layout(workflow) {
  const ids = Object.keys(workflow);
  const edges = links(workflow);
  const sources = new Map(ids.map((id) => [id, []]));
  for (const { from, to } of edges) sources.get(to).push(from);

  const column = new Map();
  let rest = ids;
  for (let depth = 0; rest.length; depth++) {
    const ready = rest.filter((id) => sources.get(id).every((source) => column.has(source)));
    for (const id of ready.length ? ready : rest) column.set(id, depth);
    rest = ready.length ? rest.filter((id) => !column.has(id)) : [];
  }

  const columns = [];
  for (const id of ids) (columns[column.get(id)] ??= []).push(id);
  const row = new Map();
  columns.forEach((members) => {
    // The mean row of what a node reads keeps its links short.
    const mean = (id) => {
      const above = sources.get(id).map((source) => row.get(source) ?? 0);
      return above.length ? above.reduce((a, b) => a + b, 0) / above.length : ids.indexOf(id) / ids.length;
    };
    members.sort((a, b) => mean(a) - mean(b)).forEach((id, place) => row.set(id, place));
  });

  const tallest = Math.max(1, ...columns.map((members) => members.length));
  const places = new Map();
  columns.forEach((members, depth) =>
    members.forEach((id, place) =>
      places.set(id, {
        x: depth * (NODE_WIDTH + GAP_X),
        y: (place + (tallest - members.length) / 2) * (NODE_HEIGHT + GAP_Y),
      })));
  return {
    places,
    width: columns.length * (NODE_WIDTH + GAP_X) - GAP_X,
    height: tallest * (NODE_HEIGHT + GAP_Y) - GAP_Y,
  };
}
