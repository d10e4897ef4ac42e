/**
 * The documents of the API that the page of an execution reads.
 *
 * @typedef {{code: string, message: string, state?: string, action?: string, task?: string,
 *   worker?: string, status?: number, attempts?: number}} Failure
 *
 * @typedef {{event: string, since: string, schema?: any, role?: string, task?: string}} Awaited
 *
 * @typedef {object} Task
 * @property {string} task
 * @property {string} action
 * @property {string} type
 * @property {string} status
 * @property {string | null} outcome
 * @property {number} attempts
 * @property {string | null} worker
 * @property {string} since
 * @property {Record<string, string>} timers
 * @property {Failure | null} error
 * @property {string} [assignedTo]
 * @property {string} [child]
 *
 * @typedef {object} Execution
 * @property {string} id
 * @property {string} project
 * @property {string} activity
 * @property {number} version
 * @property {string | null} key
 * @property {Record<string, string>} labels
 * @property {"running" | "waiting" | "paused" | "completed" | "failed" | "cancelled"} status
 * @property {string} state
 * @property {number} visit
 * @property {string | null} stage
 * @property {string | null} businessStatus
 * @property {number} revision
 * @property {any} input
 * @property {any} data
 * @property {any} output
 * @property {Failure | null} error
 * @property {Awaited[]} awaiting
 * @property {Task[]} tasks
 * @property {string | null} parent
 * @property {string | null} machine
 * @property {string[]} children
 * @property {string} startedAt
 * @property {string} updatedAt
 * @property {string | null} finishedAt
 * @property {string | null} deadline
 *
 * @typedef {{seq: number, at: string, type: string} & Record<string, any>} Entry
 *
 * @typedef {object} Attempt
 * @property {string} task
 * @property {string} action
 * @property {string} kind
 * @property {string} state
 * @property {number} visit
 * @property {number} attempt
 * @property {string} worker
 * @property {number} priority
 * @property {string[] | null} skipped
 * @property {string | null} queuedAt null, here and below: it lies too far back to be read
 * @property {string | null} dueAt
 * @property {string | null} startedAt
 * @property {number | null} queueMs
 * @property {string | null} endedAt
 * @property {string | null} deadline
 * @property {string | null} taskDeadline
 * @property {string | null} outcome
 * @property {number | null} httpStatus
 * @property {number | null} ms
 * @property {any} request
 * @property {any} response
 * @property {Failure | null} error
 *
 * @typedef {object} Node a state of the graph
 * @property {string} id
 * @property {string} kind
 * @property {string | null} final
 * @property {string[]} accepts
 * @property {string[]} defers
 * @property {{action: string, type: string}[]} work
 * @property {{name: string}[]} [tasks]
 * @property {number} [visits]
 *
 * @typedef {{id: string, from: string, to: string, event: string, guard?: string, taken?: number}} Edge
 *
 * @typedef {{initial: string, nodes: Node[], edges: Edge[], path?: any[], current?: string}} Graph
 */

export {};
