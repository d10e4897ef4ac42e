/** All versions of a blueprint, and what runs on each. */

import { path } from "../core/calls.js";
import { href } from "../core/router.js";
import { Act } from "../parts/act.js";
import { Ago } from "../parts/time.js";
import { say } from "../parts/toast.js";
import { html, useState } from "../vendor/preact.js";
import { ALL, Counts, isUsed } from "./counts.js";

/**
 * @param {{versions: any[], shown: number, project: string, activity: string, onChange: (deleted: number) => void}} props
 */
export function VersionsTab({ versions, shown, project, activity, onChange }) {
  const [doomed, setDoomed] = useState(/** @type {number | null} */ (null));
  const line = (/** @type {any} */ one, /** @type {number} */ at) => {
    const before = versions[at + 1]?.version;
    const to = (/** @type {Record<string, any>} */ query) =>
      href("blueprint", [project, activity], query);
    return html`
      <tr key=${one.version} aria-current=${one.version === shown ? "true" : null}>
        <td><a href=${to({ version: one.version })}><strong>v${one.version}</strong></a>${at === 0 && html` <small>latest</small>`}${one.version === shown && html` <small>shown</small>`}</td>
        <td><${Ago} at=${one.createdAt} /></td>
        <td><${Counts} version=${one} project=${project} activity=${activity} statuses=${ALL} /></td>
        <td><code title=${one.hash}>${one.hash.slice(0, 10)}</code></td>
        <td class="row">
          ${before !== undefined && html`<a class="button" href=${to({ tab: "diff", from: before, to: one.version })}>Diff to v${before}</a>`}
          <button type="button" class="danger-text" disabled=${isUsed(one)} title=${isUsed(one) ? "it has executions; delete these, or wait until they are purged" : "no execution is of it"} onClick=${() => setDoomed(one.version)}>Delete</button>
        </td>
      </tr>
    `;
  };
  return html`
    <section class="card">
      <div class="scroll">
        <table class="version-rows stacked">
          <thead><tr><th>version</th><th>uploaded</th><th>executions</th><th>hash</th><th></th></tr></thead>
          <tbody>${versions.map(line)}</tbody>
        </table>
      </div>
    </section>
    ${
      doomed !== null &&
      html`<${Act}
        title=${`Delete version ${doomed}`} verb="Delete" isDangerous isRepeatable=${false}
        says=${`Version ${doomed} of ${project}/${activity} is removed for good. It is refused while an execution is of it.`}
        call=${{ method: "DELETE", path: path`/v1/blueprints/${project}/${activity}/versions/${doomed}` }}
        onClose=${() => setDoomed(null)}
        onDone=${() => {
          say(`version ${doomed} is gone`);
          setDoomed(null);
          onChange(doomed);
        }}
      />`
    }
  `;
}
