// How a run stands, from its events alone: a pure function, so that a replay gives the same picture as watching live.

export const START = { state: "idle", nodes: {}, total: 0, done: 0, fraction: 0, error: null };

const set = (run, id, change) => ({ ...run.nodes, [id]: { ...run.nodes[id], ...change } });

/** The run after one more event of the log. */
export function reduce(run, { kind, data }) {
  switch (kind) {
    case "queued":
      return { ...START, state: "queued" };
    case "started":
      return { ...START, state: "running" };
    case "requeued":
      return { ...START, state: "queued" };
    case "run_started": {
      const nodes = Object.fromEntries([
        ...data.steps.map((id) => [id, { state: "waiting" }]),
        ...data.cached.map((id) => [id, { state: "cached" }]),
      ]);
      return { ...run, nodes, total: data.steps.length, done: 0 };
    }
    case "node_started":
      return { ...run, nodes: set(run, data.display_id, { state: "running", fraction: 0 }) };
    case "node_progress":
      return advance({ ...run, nodes: set(run, data.node_id, { fraction: data.value / data.total }) }, data.value / data.total);
    case "node_finished": {
      const done = run.done + (data.cached || data.node_id !== data.display_id ? 0 : 1);
      const state = data.cached ? "cached" : "done";
      return advance({ ...run, done, nodes: set(run, data.display_id, { state, fraction: 1 }) }, 0);
    }
    case "node_blocked":
      return { ...run, nodes: set(run, data.display_id, { state: "blocked" }) };
    case "completed":
      return { ...run, state: "completed", fraction: 1 };
    case "failed":
      return {
        ...run, state: "failed", error: data.error,
        nodes: data.error?.node_id ? set(run, data.error.node_id, { state: "failed" }) : run.nodes,
      };
    case "cancelled":
      return { ...run, state: "cancelled" };
    default:
      return run;
  }
}

const advance = (run, within) => ({ ...run, fraction: run.total ? Math.min(1, (run.done + within) / run.total) : 0 });

export const ended = (state) => ["completed", "failed", "cancelled"].includes(state);
