/** The editor of blueprints: checked while they are typed, with their graph beside them. */

import { useLoad } from "../core/load.js";
import { route } from "../core/router.js";
import { opened } from "../editor/opening.js";
import { Workbench } from "../editor/workbench.js";
import { ProblemBox } from "../parts/problem.js";
import { html } from "../vendor/preact.js";

/** Another object is another opening: nothing of the one before is kept. */
const keys = new WeakMap();
let newest = 0;

export default function Page() {
  const { args, query } = route.value;
  const [project, activity] = args;
  const { version } = query;
  const { value, error, reload } = useLoad(
    (signal) => opened({ project, activity, version }, signal),
    [project, activity, version],
  );
  if (error) return html`<${ProblemBox} error=${error} onRetry=${reload} />`;
  if (value === null) return html`<p class="loading">…</p>`;
  return html`<${Workbench} key=${keyOf(value)} opened=${value} onStored=${reload} />`;
}

/** @param {object} opened */
function keyOf(opened) {
  if (!keys.has(opened)) keys.set(opened, ++newest);
  return keys.get(opened);
}
