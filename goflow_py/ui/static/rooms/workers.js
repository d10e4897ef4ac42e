/**
 * Workers as the page shows them. Pure.
 *
 * @typedef {object} Worker
 * @property {string} project
 * @property {string} activity
 * @property {string} action
 * @property {string} endpoint an alias or a URL
 * @property {string | null} url
 * @property {number} priority
 * @property {"up" | "failing" | "down" | "unknown"} health
 * @property {"closed" | "open" | "half-open"} breaker
 * @property {number} recentAttempts of which the figures are, 100 at most
 * @property {number | null} errorShare
 * @property {number | null} p50Ms
 * @property {number | null} p95Ms
 * @property {number} inFlight
 * @property {string | null} lastSeenAt
 * @property {{at: string, code: string, message: string} | null} lastError
 */

/**
 * The workers of each activity, by name; within one by action and priority.
 *
 * @param {Worker[]} workers
 * @param {{q?: string, onlyTrouble?: boolean}} wanted
 */
export function groupsOf(workers, { q = "", onlyTrouble = false }) {
  const text = q.trim().toLowerCase();
  /** @type {Map<string, Worker[]>} */
  const groups = new Map();
  for (const worker of workers) {
    if (onlyTrouble && !isInTrouble(worker)) continue;
    if (!wordsOf(worker).includes(text)) continue;
    const name = `${worker.project}/${worker.activity}`;
    groups.set(name, [...(groups.get(name) ?? []), worker]);
  }
  return [...groups]
    .map(([name, mine]) => ({ name, workers: mine.sort(byPlace) }))
    .sort((a, b) => a.name.localeCompare(b.name));
}

/** @param {Worker} worker */
export function isInTrouble(worker) {
  return worker.breaker !== "closed" || worker.health === "failing" || worker.health === "down";
}

/** @param {Worker} worker */
function wordsOf({ project, activity, action, endpoint, url }) {
  return `${project}/${activity} ${action} ${endpoint} ${url ?? ""}`.toLowerCase();
}

/**
 * @param {Worker} a
 * @param {Worker} b
 */
function byPlace(a, b) {
  return a.action.localeCompare(b.action) || a.priority - b.priority;
}
