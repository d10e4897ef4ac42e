/**
 * What `GET .../graph` answers, as far as it is drawn. Pure.
 *
 * @typedef {{action: string, type: string | null, activity?: string, machine?: string}} Work
 *
 * @typedef {object} Task
 * @property {string} name
 * @property {string} action
 * @property {string[]} needs
 * @property {string} [type]
 * @property {string} [machine]
 * @property {string} [activity]
 * @property {string} [when]
 * @property {unknown} [each]
 * @property {string} [status] of an execution, in the state where it is
 * @property {Record<string, number>} [items]
 *
 * @typedef {{event: string, delay?: unknown, at?: unknown}} Timer
 *
 * @typedef {object} Node
 * @property {string} id
 * @property {string} kind
 * @property {Work[]} work
 * @property {string | null} [final] how it ends
 * @property {Timer[]} [timers]
 * @property {string[]} [accepts]
 * @property {string[]} [defers]
 * @property {string} [stage]
 * @property {string} [businessStatus]
 * @property {number} [maxVisits]
 * @property {string | number} [join]
 * @property {Task[]} [tasks]
 * @property {number} [visits] of an execution
 * @property {boolean} [current]
 *
 * @typedef {object} Edge
 * @property {string} id
 * @property {string} from
 * @property {string} to
 * @property {string} event
 * @property {string} action
 * @property {boolean} [enters]
 * @property {string} [rule]
 * @property {string} [guard]
 * @property {string[]} [sets]
 * @property {unknown} [delay]
 * @property {number} [taken] by an execution
 *
 * @typedef {{initial: string, nodes: Node[], edges: Edge[], status?: string}} Part
 * @typedef {Part & {machines?: Record<string, Part>}} ApiGraph
 */

/**
 * The graph itself and its machines, each with its name.
 *
 * @param {ApiGraph} graph
 * @returns {[string | null, Part][]}
 */
export function partsOf(graph) {
  return [[null, graph], ...Object.entries(graph.machines ?? {})];
}
