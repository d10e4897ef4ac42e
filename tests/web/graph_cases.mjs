/** Which graphs every rule of the layout has to hold for, and executions of them. */

import { edge, generated, graph, pizza, polling, state } from "./graph_fixtures.mjs";

/** @typedef {import("../../goflow_py/ui/static/graph/api_graph.js").ApiGraph} Graph */

/** @type {Record<string, Graph>} */
export const fixtures = {
  "a polling job": polling,
  "two machines": pizza,
  "a single state": graph([state("init", { kind: "initial" })], []),
  "a state with eight loops": graph(
    [state("init", { kind: "initial" }), state("busy")],
    [
      edge("init", "start", "busy"),
      ...Array.from({ length: 8 }, (_, at) => edge("busy", `event_${at}`, "busy")),
    ],
  ),
  "a state that nothing leads to": graph(
    [state("init", { kind: "initial" }), state("a"), state("lonely")],
    [edge("init", "start", "a"), edge("lonely", "success", "a")],
  ),
  "names as long as they may be": graph(
    [
      state("init", { kind: "initial" }),
      state("w".repeat(64)),
      state("m".repeat(64), { kind: "branch" }),
    ],
    [
      edge("init", "e".repeat(64), "w".repeat(64), { guard: "g".repeat(500) }),
      edge("w".repeat(64), "success", "m".repeat(64)),
    ],
  ),
  "100 states": generated(100),
  "200 states": generated(200),
};

/**
 * The graph of an execution.
 *
 * @param {Graph} of
 * @param {{visits: Record<string, number>, current: string}} at
 * @returns {Graph}
 */
export function execution(of, { visits, current }) {
  return {
    ...of,
    status: "running",
    nodes: of.nodes.map((node) => ({
      ...node,
      visits: visits[node.id] ?? 0,
      current: node.id === current,
    })),
    edges: of.edges.map((one) => ({ ...one, taken: visits[one.to] ?? 0 })),
  };
}

/** It went on. @param {Graph} of @param {string} current */
export function moved(of, current) {
  return execution(of, { visits: { submit: 1, [current]: 3 }, current });
}
