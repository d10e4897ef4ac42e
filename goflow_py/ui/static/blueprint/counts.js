/** How many executions of a version are in which status; each leads to them. */

import { count } from "../core/format.js";
import { href } from "../core/router.js";
import { Status } from "../parts/status.js";
import { html } from "../vendor/preact.js";

export const ALIVE = ["running", "waiting", "paused", "failed"];
export const ALL = [...ALIVE, "completed", "cancelled"];

/**
 * @param {{version: Record<string, any>, project: string, activity: string, statuses?: string[]}} props
 */
export function Counts({ version, project, activity, statuses = ALIVE }) {
  const some = statuses.filter((status) => version[status] > 0);
  if (some.length === 0) return html`<span class="muted">nothing runs</span>`;
  return html`<span class="counts">
    ${some.map(
      (status) => html`
        <a key=${status} href=${href("executions", [], { project, activity, status })} title=${`${status} executions of ${activity}`}>
          <${Status} status=${status} text=${`${count(version[status])} ${status}`} />
        </a>
      `,
    )}
  </span>`;
}

/**
 * Whether a version has executions, and so cannot be deleted.
 *
 * @param {Record<string, any>} version
 */
export function isUsed(version) {
  return ALL.some((status) => version[status] > 0);
}
