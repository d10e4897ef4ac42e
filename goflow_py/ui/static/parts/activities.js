/** All activities as links: where a page is asked for without one. */

import { href } from "../core/router.js";
import { html } from "../vendor/preact.js";
import { ProblemBox } from "./problem.js";

/** @param {{page: string, all: ReturnType<typeof import("../core/load.js").useBlueprints>}} props `page`: where they lead */
export function Activities({ page, all: { value, error, reload } }) {
  if (error) return html`<${ProblemBox} error=${error} onRetry=${reload} />`;
  if (value === null) return html`<p class="loading">…</p>`;
  if (value.items.length === 0) {
    return html`<p class="empty">There is no blueprint yet. <a href=${href("editor")}>Write one</a>, or <a href=${href("blueprints")}>upload one</a>.</p>`;
  }
  return html`<ul class="card activities">
    ${value.items.map(
      ({ project, activity, blueprint }) => html`
        <li key=${`${project}/${activity}`}>
          <a href=${href(page, [project, activity])}><strong>${project}/${activity}</strong></a>
          <small>${blueprint?.description}</small>
        </li>
      `,
    )}
  </ul>`;
}
