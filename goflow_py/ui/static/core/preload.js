/** Fetches all that a part of the pages imports at once, instead of one import behind another. */

/** @type {Record<string, string[]>} by module, as the server wrote them into the page */
const modules = JSON.parse(document.getElementById("modules")?.textContent ?? "{}");

/** @param {string} path of the module, such as `pages/execution.js` */
export function preload(path) {
  for (const href of modules[path] ?? []) {
    const link = document.createElement("link");
    link.rel = "modulepreload";
    link.href = href;
    document.head.append(link);
  }
  delete modules[path];
}
