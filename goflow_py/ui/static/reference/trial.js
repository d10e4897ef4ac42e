/** A call that is filled in and made, and what came back. */

import { Problem, send } from "../core/api.js";
import { CurlLine } from "../parts/act.js";
import { html, useState } from "../vendor/preact.js";
import { callOf, exampleOf } from "./document.js";

const LINES_MAX = 12;
/** Of an answer, in characters; a larger one would only freeze the page. */
const SHOWN_MAX = 100_000;

/** @param {{operation: import("./document.js").Operation, document: any}} props */
export function Trial({ operation, document }) {
  const json = operation.bodies.find(({ media }) => media.includes("json"));
  const [texts, setTexts] = useState(/** @type {Record<string, string>} */ ({}));
  const [body, setBody] = useState(() =>
    json ? JSON.stringify(exampleOf(json.schema, document), null, 2) : "",
  );
  const [answer, setAnswer] = useState(/** @type {{status: number, body: any} | null} */ (null));
  const value = read(body);
  const call = value.isGood ? callOf(operation, texts, value.value) : null;
  const isStream = operation.answers.some(({ media }) => media === "text/event-stream");
  const submit = async (/** @type {any} */ event) => {
    event.preventDefault();
    if (call === null) return;
    try {
      setAnswer(await send(call));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setAnswer({ status: error.status, body: error.body });
    }
  };
  return html`
    <form class="trial act" onSubmit=${submit}>
      ${operation.parameters.map(
        ({ name, in: place, required }) => html`<label key=${name}>
          ${name}${required && " *"} <small>${place}</small>
          <input value=${texts[name] ?? ""} required=${required} onInput=${(event) => setTexts({ ...texts, [name]: event.target.value })} />
        </label>`,
      )}
      ${
        json &&
        html`<label>
        body
        <textarea rows=${Math.min(LINES_MAX, body.split("\n").length + 1)} aria-invalid=${!value.isGood} value=${body} onInput=${(event) => setBody(event.target.value)}></textarea>
      </label>`
      }
      ${
        isStream
          ? html`<p class="muted">This answer flows until it is cut: follow it with curl -N.</p>`
          : html`<footer><button type="submit" class="primary" disabled=${call === null}>Send</button></footer>`
      }
      ${call !== null && html`<${CurlLine} call=${call} />`}
      ${answer !== null && html`<${Came} answer=${answer} />`}
    </form>
  `;
}

/** @param {{answer: {status: number, body: any}}} props */
function Came({ answer }) {
  const text = answer.body === undefined ? "" : JSON.stringify(answer.body, null, 2);
  const shown =
    text.length > SHOWN_MAX
      ? `${text.slice(0, SHOWN_MAX)}\n… ${text.length - SHOWN_MAX} characters more`
      : text;
  return html`
    <h3 role="status">Answer <b class=${answer.status < 400 ? "good" : "bad"}>${answer.status || "none"}</b></h3>
    ${shown !== "" && html`<pre class="came">${shown}</pre>`}
  `;
}

/**
 * @param {string} text
 * @returns {{isGood: boolean, value: any}}
 */
function read(text) {
  if (text.trim() === "") return { isGood: true, value: undefined };
  try {
    return { isGood: true, value: JSON.parse(text) };
  } catch {
    return { isGood: false, value: undefined };
  }
}
