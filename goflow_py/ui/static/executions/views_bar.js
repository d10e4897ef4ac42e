/** Views that a person keeps in this browser: named filters. */

import { searchOf } from "../core/addresses.js";
import { filterOf, inWords, queryOf } from "../core/filters.js";
import {
  NAME_CHARACTERS_MAX,
  readViews,
  renamed,
  withoutView,
  withView,
} from "../core/filters_saved.js";
import { Dialog } from "../parts/dialog.js";
import { Menu } from "../parts/menu.js";
import { say } from "../parts/toast.js";
import { html, signal, useState } from "../vendor/preact.js";

const STORED = "goflow.views";
const views = signal(readViews(localStorage.getItem(STORED)));

/** @param {import("../core/filters_saved.js").View[]} after */
function keep(after) {
  views.value = after;
  localStorage.setItem(STORED, JSON.stringify(after));
}

/** @param {{filter: import("../core/filters.js").Filter}} props */
export function ViewsBar({ filter }) {
  const [asked, setAsked] = useState(/** @type {"save" | "rename" | null} */ (null));
  const search = searchOf(queryOf(filter));
  const current = views.value.find((view) => canonical(view.search) === search);
  const remove = (/** @type {string} */ name) => {
    keep(withoutView(views.peek(), name));
    say(`The view ${name} was removed`);
  };
  const link = (/** @type {import("../core/filters_saved.js").View} */ view) => html`
    <a key=${view.name} class="x-view" href=${address(view.search)} aria-current=${view === current ? "page" : null}>${view.name}</a>
  `;
  return html`
    <nav class="x-views" aria-label="saved views">
      <a class="x-view" href="#/executions" aria-current=${search === "" ? "page" : null}>All</a>
      ${views.value.map(link)}
      ${
        current &&
        html`<${Menu}
        label="⋯" name=${`what to do with the view ${current.name}`}
        items=${[
          { label: "Rename…", run: () => setAsked("rename") },
          { label: "Remove", run: () => remove(current.name), isDangerous: true },
        ]}
      />`
      }
      ${!current && search !== "" && html`<button type="button" class="quiet" onClick=${() => setAsked("save")}>+ keep this view</button>`}
      ${
        asked === "save" &&
        html`<${Name} title="Keep this view" name=${inWords(filter)} onClose=${() => setAsked(null)} onName=${(name) => keep(withView(views.peek(), { name, search }))} />`
      }
      ${
        asked === "rename" &&
        current &&
        html`<${Name} title="Rename the view" name=${current.name} onClose=${() => setAsked(null)} onName=${(name) => keep(renamed(views.peek(), current.name, name))} />`
      }
    </nav>
  `;
}

/** @param {{title: string, name: string, onName: (name: string) => void, onClose: () => void}} props */
function Name({ title, name, onName, onClose }) {
  const [text, setText] = useState(name.slice(0, NAME_CHARACTERS_MAX));
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    onName(text);
    onClose();
  };
  return html`
    <${Dialog} title=${title} onClose=${onClose}>
      <form class="act" onSubmit=${submit}>
        <p class="says">It is kept in this browser. Its link can be sent to others.</p>
        <label>Name <input maxlength=${NAME_CHARACTERS_MAX} value=${text} onInput=${(event) => setText(event.target.value)} /></label>
        <footer><button type="submit" class="primary" disabled=${text.trim() === ""}>Keep</button></footer>
      </form>
    <//>
  `;
}

/** @param {string} search */
function canonical(search) {
  return searchOf(queryOf(filterOf(Object.fromEntries(new URLSearchParams(search)))));
}

/** @param {string} search */
function address(search) {
  return search === "" ? "#/executions" : `#/executions?${search}`;
}
