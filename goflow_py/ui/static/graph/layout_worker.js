/** Lays out a large drawing beside the page, which stays quick meanwhile. */

import { layoutOf } from "./layout.js";

addEventListener("message", ({ data }) => {
  postMessage(layoutOf(JSON.parse(data)));
});
