/** Asks for the API key, when a call needs one. */

import { apiKey, keyWanted, useKey } from "../core/api.js";
import { html, useState } from "../vendor/preact.js";
import { Dialog } from "./dialog.js";

export function KeyDialog() {
  const [text, setText] = useState("");
  /** @param {Event} event */
  const submit = (event) => {
    event.preventDefault();
    useKey(text);
  };
  const close = () => {
    keyWanted.value = false;
  };
  return html`
    <${Dialog} title="API key" onClose=${close}>
      <form class="act" onSubmit=${submit}>
        <p class="says">
          ${apiKey.peek() === "" ? "This server needs a key." : "The server does not know this key, or it has expired."}
          ${" "}It is kept for this tab alone, until you close it.
        </p>
        <label>
          Key
          <input type="password" autocomplete="off" placeholder="gf_…" value=${text} onInput=${(event) => setText(event.target.value)} />
        </label>
        <footer><button type="submit" class="primary" disabled=${text.trim() === ""}>Use it</button></footer>
      </form>
    <//>
  `;
}
