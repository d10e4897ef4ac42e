/** One call: what it takes and answers, its curl, and a way to try it. */

import { CurlLine } from "../parts/act.js";
import { html, useState } from "../vendor/preact.js";
import { callOf, exampleOf } from "./document.js";
import { Fields } from "./schema.js";
import { Trial } from "./trial.js";

/** @param {{operation: import("./document.js").Operation, document: any}} props */
export function OperationCard({ operation, document }) {
  const { id, method, path, summary, scopes, parameters, bodies, answers } = operation;
  const [isTrying, setTrying] = useState(false);
  return html`
    <details class="card call" id=${id}>
      <summary>
        <b class=${`method ${method}`}>${method}</b> <code>${path}</code>
        <span class="muted">${summary}</span>
      </summary>
      <div class="body">
        <p class="muted">
          ${scopes.length === 0 ? "Needs no key." : html`Needs a key with the scope ${scopes.map((one, at) => html`${at > 0 && " or "}<code>${one}</code>`)}.`}
        </p>
        ${parameters.length > 0 && html`<${Parameters} parameters=${parameters} document=${document} />`}
        ${bodies.map(
          ({ media, schema }) =>
            html`<div key=${media}><h3>Body <small>${media}</small></h3><${Fields} schema=${schema} document=${document} /></div>`,
        )}
        <h3>Answers</h3>
        ${answers.map((one) => html`<${AnswerLine} key=${one.status} answer=${one} document=${document} />`)}
        ${
          isTrying
            ? html`<${Trial} operation=${operation} document=${document} />`
            : html`<p><button type="button" onClick=${() => setTrying(true)}>Try it</button></p>
              <${CurlLine} call=${sampleOf(operation, document)} />`
        }
      </div>
    </details>
  `;
}

/** @param {{parameters: import("./document.js").Parameter[], document: any}} props */
function Parameters({ parameters, document }) {
  const properties = Object.fromEntries(
    parameters.map((one) => [
      one.name,
      { ...one.schema, description: [`in ${one.in}`, one.description].filter(Boolean).join(": ") },
    ]),
  );
  const required = parameters.filter((one) => one.required).map((one) => one.name);
  return html`<h3>Parameters</h3><${Fields} schema=${{ type: "object", properties, required }} document=${document} />`;
}

/** @param {{answer: import("./document.js").Answer, document: any}} props */
function AnswerLine({ answer, document }) {
  const { status, media, schema } = answer;
  const head = html`<b class=${Number(status) < 400 ? "good" : "bad"}>${status}</b> <small>${media ?? "no body"}</small>`;
  if (schema === null || Object.keys(schema).length === 0) return html`<p>${head}</p>`;
  return html`<details class="answer"><summary>${head}</summary><${Fields} schema=${schema} document=${document} /></details>`;
}

/**
 * A call to show: names of parameters stand where values will.
 *
 * @param {import("./document.js").Operation} operation
 * @param {any} document
 */
function sampleOf(operation, document) {
  const texts = Object.fromEntries(
    operation.parameters
      .filter((one) => one.in === "path")
      .map((one) => [one.name, one.name.toUpperCase()]),
  );
  const body = operation.bodies.find(({ media }) => media.includes("json"));
  const call = callOf(operation, texts, body && exampleOf(body.schema, document));
  return call ?? { method: operation.method, path: operation.path };
}
