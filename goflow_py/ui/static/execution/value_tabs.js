/** Input, output, the whole document, and the graph as text. */

import { get } from "../core/api.js";
import { path } from "../core/calls.js";
import { useLoad } from "../core/load.js";
import { route, setQuery } from "../core/router.js";
import { CurlLine } from "../parts/act.js";
import { Copy } from "../parts/copy.js";
import { Json } from "../parts/json.js";
import { ProblemBox } from "../parts/problem.js";
import { html } from "../vendor/preact.js";
import { hasEnded } from "./verb_rules.js";

/** @typedef {import("./types.js").Execution} Execution */

/** @type {Record<string, (props: {execution: Execution}) => any>} */
const TABS = { input: InputTab, output: OutputTab, json: JsonTab, text: TextTab };

/** @param {{tab: string, execution: Execution}} props */
export function ValueTab({ tab, execution }) {
  return html`<${TABS[tab] ?? JsonTab} key=${tab} execution=${execution} />`;
}

/** @param {{execution: Execution}} props */
function InputTab({ execution }) {
  return html`<${Json} value=${execution.input} label="input" />`;
}

/** @param {{execution: Execution}} props */
function OutputTab({ execution }) {
  if (!hasEnded(execution))
    return html`<p class="empty">It is ${execution.status}: its output is there when it has ended.</p>`;
  return html`
    <${Json} value=${execution.output} label="output" />
    <${CurlLine} call=${{ path: path`/v1/executions/${execution.id}/output` }} />
  `;
}

/** @param {{execution: Execution}} props */
function JsonTab({ execution }) {
  return html`
    <${Json} value=${execution} label="execution" />
    <${CurlLine} call=${{ path: path`/v1/executions/${execution.id}` }} />
  `;
}

/** @param {{execution: Execution}} props */
function TextTab({ execution: { id, revision } }) {
  const { format = "mermaid" } = route.value.query;
  const where = path`/v1/executions/${id}/graph`;
  const { value, error, reload } = useLoad(
    (signal) => get(where, { format }, signal),
    [id, format, revision],
  );
  const text = value?.detail ?? "";
  return html`
    <div class="row chips">
      ${["mermaid", "dot"].map(
        (one) =>
          html`<button key=${one} type="button" class="chip" aria-pressed=${format === one} onClick=${() => setQuery({ format: one === "mermaid" ? "" : one })}>${one}</button>`,
      )}
      <${Copy} text=${text} label="copy the text">copy<//>
    </div>
    <${ProblemBox} error=${error} onRetry=${reload} />
    <pre class="text">${text}</pre>
    <${CurlLine} call=${{ path: where, query: { format } }} />
  `;
}
