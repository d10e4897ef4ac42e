/** All activities as links: where a page is asked for without one. */

import { get } from "../core/api.js";
import { useLoad } from "../core/load.js";
import { href } from "../core/router.js";
import { html } from "../vendor/preact.js";
import { ProblemBox } from "./problem.js";

const BLUEPRINTS_MAX = 500;

/** @typedef {{project: string, activity: string, blueprint: {description?: string}}} Shown */

/** All blueprints, as far as one page of them goes. */
export function useBlueprints() {
  return useLoad(
    async (signal) =>
      /** @type {Shown[]} */ (
        (await get("/v1/blueprints", { limit: BLUEPRINTS_MAX }, signal)).items
      ),
    [],
  );
}

/** @param {{page: string, all: import("../core/load.js").Loaded<Shown[]>}} props `page`: where they lead */
export function Activities({ page, all: { value, error, reload } }) {
  if (error) return html`<${ProblemBox} error=${error} onRetry=${reload} />`;
  if (value === null) return html`<p class="loading">…</p>`;
  if (value.length === 0) {
    return html`<p class="empty">There is no blueprint yet. <a href=${href("editor")}>Write one</a>, or <a href=${href("blueprints")}>upload one</a>.</p>`;
  }
  return html`<ul class="card activities">
    ${value.map(
      ({ project, activity, blueprint }) => html`
        <li key=${`${project}/${activity}`}>
          <a href=${href(page, [project, activity])}><strong>${project}/${activity}</strong></a>
          <small>${blueprint?.description}</small>
        </li>
      `,
    )}
  </ul>`;
}
