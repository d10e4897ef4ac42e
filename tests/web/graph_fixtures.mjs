/**
 * Graphs as the API gives them, built by hand.
 *
 * @typedef {import("../../goflow_py/ui/static/graph/api_graph.js").Node} Node
 * @typedef {import("../../goflow_py/ui/static/graph/api_graph.js").Edge} Edge
 * @typedef {import("../../goflow_py/ui/static/graph/api_graph.js").Part} Part
 * @typedef {import("../../goflow_py/ui/static/graph/api_graph.js").ApiGraph} ApiGraph
 */

/** @param {string} id @param {Partial<Node>} [more] @returns {Node} */
export function state(id, more = {}) {
  return {
    id,
    kind: "work",
    work: [],
    final: null,
    timers: [],
    accepts: [],
    defers: [],
    ...more,
  };
}

/**
 * @param {string} from
 * @param {string} event
 * @param {string} to
 * @param {Partial<Edge>} [more]
 * @returns {Edge}
 */
export function edge(from, event, to, more = {}) {
  return { id: `${from}/${event}/0`, from, to, event, action: "continue", enters: true, ...more };
}

/**
 * @param {Node[]} nodes
 * @param {Edge[]} edges
 * @param {Record<string, Part>} [machines]
 * @returns {ApiGraph}
 */
export function graph(nodes, edges, machines = {}) {
  return { initial: "init", nodes, edges, machines };
}

const init = state("init", { kind: "initial" });
const done = state("done", { kind: "final", final: "completed" });
const failed = state("failed", { kind: "final", final: "failed" });

/** A job that is asked for again and again: a back edge, parallel edges, a loop. */
export const polling = graph(
  [init, state("submit"), state("pause"), state("check"), done, failed],
  [
    edge("init", "start", "submit"),
    edge("submit", "success", "pause"),
    edge("pause", "success", "check"),
    edge("check", "success", "pause", { guard: "check.output.progress < 100 && input.isPatient" }),
    edge("check", "again", "check"),
    edge("check", "later", "check", { enters: false }),
    edge("check", "ready", "done"),
    edge("check", "error", "failed"),
    edge("check", "timeout", "failed"),
    edge("check", "broken", "failed"),
  ],
);

/** Two machines beside each other, and tasks that need each other. */
export const pizza = graph(
  [
    init,
    state("fulfil", {
      join: "all",
      work: [{ action: "payment", type: "activity", machine: "payment" }],
      tasks: [
        { name: "payment", action: "payment", needs: [], type: "activity", machine: "payment" },
        { name: "kitchen", action: "kitchen", needs: [], type: "activity", machine: "kitchen" },
        { name: "ride", action: "ride", needs: ["payment", "kitchen"], type: "sync" },
      ],
    }),
    done,
    failed,
  ],
  [
    edge("init", "start", "fulfil"),
    edge("fulfil", "success", "done"),
    edge("fulfil", "error", "failed"),
  ],
  {
    payment: graph(
      [
        init,
        state("unpaid", { kind: "wait", timers: [{ event: "after 0", delay: 3600 }] }),
        done,
        failed,
      ],
      [
        edge("init", "start", "unpaid"),
        edge("unpaid", "paid", "done"),
        edge("unpaid", "after 0", "failed"),
      ],
    ),
    kitchen: graph(
      [init, state("bake"), done],
      [
        edge("init", "start", "bake"),
        edge("bake", "burnt", "bake"),
        edge("bake", "success", "done"),
      ],
    ),
  },
);

/** As many states as wanted, with branches, ways back, loops, and one end that many lead to. @param {number} count */
export function generated(count) {
  let seed = 7;
  /** @param {number} max */
  const below = (max) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * max);
  };
  const names = Array.from({ length: count - 2 }, (_, at) => `state_${at}`);
  const edges = [edge("init", "start", names[0])];
  names.forEach((name, at) => {
    if (at > 0) edges.push(edge(names[Math.max(0, at - 1 - below(3))], `to_${at}`, name));
    if (at % 3 === 0) edges.push(edge(name, "error", "failed"));
    if (at % 9 === 8) edges.push(edge(name, "back", names[at - 4]));
    if (at % 11 === 5) edges.push(edge(name, "again", name));
  });
  return graph([init, ...names.map((name) => state(name)), failed], edges);
}
