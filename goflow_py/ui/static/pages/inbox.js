/** To come. */

import { html } from "../vendor/preact.js";

export default function Page() {
  return html`<p class="empty">inbox</p>`;
}
