/** The shell: navigation, the page of the address, the key, and what is said. */

import { get, keyWanted, reachable } from "./core/api.js";
import { useEvery } from "./core/load.js";
import { preload } from "./core/preload.js";
import { go, href, route } from "./core/router.js";
import { useShortcuts } from "./core/shortcuts.js";
import { isDark, toggleTheme } from "./core/theme.js";
import { useTitle } from "./core/title.js";
import { later } from "./parts/later.js";
import { ProblemBox } from "./parts/problem.js";
import { Toasts } from "./parts/toast.js";
import { html, render, useEffect, useErrorBoundary, useState } from "./vendor/preact.js";

const KeyDialog = later(async () => (await import("./parts/key_dialog.js")).KeyDialog);
const Palette = later(async () => (await import("./parts/palette.js")).Palette);
const ShortcutList = later(async () => (await import("./parts/shortcut_list.js")).ShortcutList);

/** @type {Record<string, () => Promise<{default: any}>>} */
const PAGES = {
  executions: () => import("./pages/executions.js"),
  execution: () => import("./pages/execution.js"),
  blueprints: () => import("./pages/blueprints.js"),
  blueprint: () => import("./pages/blueprint.js"),
  editor: () => import("./pages/editor.js"),
  start: () => import("./pages/start.js"),
  workers: () => import("./pages/workers.js"),
  inbox: () => import("./pages/inbox.js"),
  insights: () => import("./pages/insights.js"),
  settings: () => import("./pages/settings.js"),
};

/** @typedef {{page: string, label: string, key: string, also: string[]}} Place */

/**
 * What stands in the navigation, and the key behind `g` that goes there.
 *
 * @type {[Place, ...Place[]]}
 */
const PLACES = [
  { page: "executions", label: "Executions", key: "e", also: ["execution"] },
  { page: "blueprints", label: "Blueprints", key: "b", also: ["blueprint", "editor", "start"] },
  { page: "workers", label: "Workers", key: "w", also: [] },
  { page: "inbox", label: "Inbox", key: "i", also: [] },
  { page: "insights", label: "Insights", key: "n", also: [] },
  { page: "settings", label: "Settings", key: "s", also: [] },
];

/** How often a server that cannot be reached is looked for. */
const LOOK_MS = 5_000;

function App() {
  useEvery(look, LOOK_MS);
  const [isSearching, setSearching] = useState(false);
  const [isHelping, setHelping] = useState(false);
  const { page, args } = route.value;
  useTitle(placeOf(page).label);
  // Who goes back or on leaves what stood over the page, too.
  useEffect(() => {
    setSearching(false);
    setHelping(false);
  }, [href(page, args)]);
  useShortcuts(
    [
      ...PLACES.map(({ page, label, key }) => ({
        keys: `g ${key}`,
        does: `go to ${label}`,
        run: () => go(page),
      })),
      { keys: "mod+k", does: "search", run: () => setSearching(true) },
      { keys: "/", does: "search", run: () => setSearching(true) },
      { keys: "?", does: "show these keys", run: () => setHelping(true) },
    ],
    [],
  );
  return html`
    <a class="skip" href="#main" onClick=${focusMain}>Skip to the page</a>
    <${Bar} onSearch=${() => setSearching(true)} />
    ${!reachable.value && html`<p class="banner" role="alert">The server cannot be reached; trying again.</p>`}
    <main id="main" tabindex="-1"><${Page} /></main>
    ${isSearching && html`<${Palette} onClose=${() => setSearching(false)} />`}
    ${isHelping && html`<${ShortcutList} onClose=${() => setHelping(false)} />`}
    ${keyWanted.value && html`<${KeyDialog} />`}
    <${Toasts} />
  `;
}

/** A page that asks nothing by itself would never hear that the server is back. */
function look() {
  if (!reachable.peek()) void get("/version").catch(() => {});
}

/** The place that a page is of. @param {string} page */
function placeOf(page) {
  const mine = PLACES.find((place) => place.page === page || place.also.includes(page));
  return mine ?? PLACES[0];
}

/** @param {{onSearch: () => void}} props */
function Bar({ onSearch }) {
  const current = placeOf(route.value.page);
  /** @param {Place} place */
  const link = (place) => html`
    <a key=${place.page} href=${href(place.page)} aria-current=${place === current ? "page" : null}>${place.label}</a>
  `;
  return html`
    <header class="bar">
      <a class="brand" href=${href("executions")}>goflow</a>
      <nav aria-label="pages">${PLACES.map(link)}<a href="/docs">API</a></nav>
      <button type="button" class="search" onClick=${onSearch}>
        <span>Search</span> <kbd>/</kbd>
      </button>
      <button type="button" class="quiet" aria-label="light or dark" aria-pressed=${isDark.value} onClick=${toggleTheme}>
        ◐
      </button>
    </header>
  `;
}

/** The page of the address; its module is fetched when it is first shown. */
function Page() {
  const { page, args } = route.value;
  const [loaded, setLoaded] = useState(/** @type {{page: string, View: any} | null} */ (null));
  const [missing, setMissing] = useState(/** @type {Error | null} */ (null));
  const [broken, mend] = useErrorBoundary();
  useEffect(() => {
    let isWanted = true;
    mend();
    setMissing(null);
    const open = PAGES[page] ?? PAGES.executions;
    preload(`pages/${page}.js`);
    open().then(
      (module) => isWanted && setLoaded({ page, View: module.default }),
      () =>
        isWanted &&
        setMissing(
          new Error("this page could not be loaded; reload, the server may have been upgraded"),
        ),
    );
    return () => {
      isWanted = false;
    };
  }, [page]);
  // What broke one page of a kind is none of the next one's.
  useEffect(mend, [args.join("/")]);
  const error = missing ?? broken;
  if (error) return html`<${ProblemBox} error=${error} onRetry=${() => location.reload()} />`;
  if (loaded === null || loaded.page !== page) return html`<p class="loading">…</p>`;
  return html`<${loaded.View} />`;
}

/** @param {Event} event */
function focusMain(event) {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

/** The page comes first; then what a key opens, so that the next keys are for it. */
const IDLE_MS = 1_500;
setTimeout(() => {
  for (const part of [Palette, ShortcutList]) void part.fetch().catch(() => {});
}, IDLE_MS);

const root = document.getElementById("app");
if (root) render(html`<${App} />`, root);
