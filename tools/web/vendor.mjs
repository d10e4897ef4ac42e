/**
 * Builds the modules of others that the web pages ship: each is one file, so that a browser needs
 * no build and no internet. `node vendor.mjs` writes them, with their licences and checksums;
 * `node vendor.mjs --check` builds them anew and says which differ.
 */

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const HERE = dirname(fileURLToPath(import.meta.url));
const VENDOR = join(HERE, "../../goflow_py/ui/static/vendor");
const ENTRIES = ["codemirror", "dagre", "preact"];
const RULE = "=".repeat(78);

const files = await made();
if (process.argv.includes("--check")) check(files);
else for (const [name, body] of files) writeFileSync(join(VENDOR, name), body);

/**
 * Everything that stands in the folder, by its name.
 *
 * @returns {Promise<Map<string, string>>}
 */
async function made() {
  const files = new Map();
  const packages = new Set();
  for (const entry of ENTRIES) {
    const { text, inputs } = await bundled(entry);
    files.set(`${entry}.js`, text);
    for (const input of inputs) packages.add(packageOf(input));
  }
  files.set("LICENSES.txt", licences([...packages].filter((name) => name !== null).sort()));
  files.set("SHA256SUMS", sums(files));
  return files;
}

/** @param {string} entry */
async function bundled(entry) {
  const { outputFiles, metafile } = await build({
    absWorkingDir: HERE,
    entryPoints: [`${entry}.mjs`],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    legalComments: "none",
    metafile: true,
    write: false,
    logLevel: "warning",
  });
  return { text: outputFiles[0]?.text ?? "", inputs: Object.keys(metafile.inputs) };
}

/**
 * The package that a file belongs to, such as `@lezer/lr`; our own files belong to none.
 *
 * @param {string} input
 */
function packageOf(input) {
  return /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? null;
}

/** @param {string[]} packages */
function licences(packages) {
  const parts = packages.map((name) => {
    const folder = join(HERE, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const file = readdirSync(folder).find((other) => /^licen[cs]e/i.test(other));
    if (file === undefined) throw new Error(`${name} brings no licence; it cannot be shipped`);
    const text = readFileSync(join(folder, file), "utf8").replaceAll("\r\n", "\n").trim();
    return `${RULE}\n${name} ${version} (${license})\n${RULE}\n\n${text}\n`;
  });
  const head = "The modules in this folder are made of these packages.\n";
  return [head, ...parts].join("\n");
}

/**
 * The checksums of files, as `sha256sum --check` reads them.
 *
 * @param {Map<string, string>} files
 */
function sums(files) {
  return [...files]
    .map(([name, body]) => `${createHash("sha256").update(body).digest("hex")}  ${name}\n`)
    .join("");
}

/** @param {Map<string, string>} files */
function check(files) {
  const differing = [...files].filter(([name, body]) => {
    const path = join(VENDOR, name);
    return !existsSync(path) || readFileSync(path, "utf8") !== body;
  });
  for (const [name] of differing) console.error(`vendor/${name} is not what vendor.mjs builds`);
  if (differing.length > 0) process.exit(1);
}
