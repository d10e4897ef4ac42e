/**
 * The OpenAPI document as the page shows it. Pure.
 *
 * @typedef {Record<string, any>} Schema
 * @typedef {{name: string, in: "path" | "query" | "header", required: boolean, description?: string, schema: Schema}} Parameter
 * @typedef {{status: string, media: string | null, schema: Schema | null}} Answer
 * @typedef {object} Operation
 * @property {string} id
 * @property {string} tag
 * @property {string} method
 * @property {string} path
 * @property {string} summary
 * @property {string[]} scopes one of them is needed; none: no key is
 * @property {Parameter[]} parameters
 * @property {{media: string, schema: Schema}[]} bodies
 * @property {Answer[]} answers
 */

const METHODS = ["get", "post", "put", "patch", "delete"];
const EXAMPLE_DEPTH_MAX = 4;
/** @type {Record<string, any>} */
const PLAIN = { string: "", integer: 0, number: 0, boolean: false };

/**
 * All calls, in the order of the document.
 *
 * @param {any} document
 * @returns {Operation[]}
 */
export function operationsOf(document) {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => operation(path, method, item[method])),
  );
}

/**
 * @param {string} path
 * @param {string} method
 * @param {any} said
 * @returns {Operation}
 */
function operation(path, method, said) {
  return {
    id: said.operationId,
    tag: said.tags?.[0] ?? "other",
    method: method.toUpperCase(),
    path,
    summary: said.summary ?? "",
    scopes: said["x-scopes"] ?? [],
    parameters: said.parameters ?? [],
    bodies: Object.entries(said.requestBody?.content ?? {}).map(([media, one]) => ({
      media,
      schema: one.schema ?? {},
    })),
    answers: Object.entries(said.responses ?? {}).map(([status, one]) => {
      const [media, content] = Object.entries(one.content ?? {})[0] ?? [null, null];
      return { status, media, schema: content?.schema ?? null };
    }),
  };
}

/**
 * Those whose path, summary, tag or scope have every word.
 *
 * @param {Operation[]} operations
 * @param {string} text
 */
export function found(operations, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  /** @param {Operation} one */
  const said = (one) =>
    [one.method, one.path, one.summary, one.tag, ...one.scopes].join(" ").toLowerCase();
  return operations.filter((one) => words.every((word) => said(one).includes(word)));
}

/**
 * By tag, in the order in which they come.
 *
 * @param {Operation[]} operations
 * @returns {[string, Operation[]][]}
 */
export function byTag(operations) {
  /** @type {Map<string, Operation[]>} */
  const groups = new Map();
  for (const one of operations) groups.set(one.tag, [...(groups.get(one.tag) ?? []), one]);
  return [...groups];
}

/**
 * What a schema refers to.
 *
 * @param {Schema} schema
 * @param {any} document
 * @returns {Schema}
 */
export function resolved(schema, document) {
  const name = schema.$ref?.replace("#/components/schemas/", "");
  return name === undefined ? schema : (document.components.schemas[name] ?? {});
}

/**
 * A schema's type in a few words.
 *
 * @param {Schema} schema
 * @param {any} document
 * @returns {string}
 */
export function typeOf(schema, document) {
  if (schema.$ref) return nameOf(schema.$ref);
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum)
    return schema.enum.map((/** @type {any} */ one) => JSON.stringify(one)).join(" | ");
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices)
    return [...new Set(choices.map((/** @type {any} */ one) => typeOf(one, document)))].join(" | ");
  if (schema.type === "array") return `${typeOf(schema.items ?? {}, document)}[]`;
  const type = Array.isArray(schema.type) ? schema.type.join(" | ") : schema.type;
  return schema.format ? `${type} (${schema.format})` : (type ?? "any");
}

/** @param {string} reference */
function nameOf(reference) {
  return reference.slice(reference.lastIndexOf("/") + 1);
}

/**
 * A value with what a schema requires, to begin with.
 *
 * @param {Schema} schema
 * @param {any} document
 * @param {number} [depth]
 * @returns {any}
 */
export function exampleOf(schema, document, depth = 0) {
  const plain = resolved(schema, document);
  if ("default" in plain) return plain.default;
  if (plain.examples) return plain.examples[0];
  if ("const" in plain) return plain.const;
  if (plain.enum) return plain.enum[0];
  const choices = plain.anyOf ?? plain.oneOf;
  if (choices) return exampleOf(choices[0], document, depth);
  const type = Array.isArray(plain.type) ? plain.type[0] : plain.type;
  if (type === "array")
    return plain.minItems > 0 ? [exampleOf(plain.items ?? {}, document, depth + 1)] : [];
  if (type !== "object") return PLAIN[type] ?? null;
  if (depth >= EXAMPLE_DEPTH_MAX) return {};
  const names = plain.required ?? [];
  return Object.fromEntries(
    names.map((/** @type {any} */ name) => [
      name,
      exampleOf(plain.properties?.[name] ?? {}, document, depth + 1),
    ]),
  );
}

/**
 * The call that was filled in; null while a part of the path is missing.
 *
 * @param {Operation} operation
 * @param {Record<string, string>} texts by name of the parameter
 * @param {any} body undefined: none
 * @returns {import("../core/calls.js").Call | null}
 */
export function callOf(operation, texts, body) {
  let path = operation.path;
  /** @type {Record<string, string>} */
  const query = {};
  /** @type {Record<string, string>} */
  const headers = {};
  for (const { name, in: place } of operation.parameters) {
    const text = texts[name] ?? "";
    if (place === "path" && text === "") return null;
    if (place === "path") path = path.replace(`{${name}}`, encodeURIComponent(text));
    else if (text !== "") (place === "query" ? query : headers)[name] = text;
  }
  return {
    method: operation.method,
    path,
    query,
    headers,
    ...(body === undefined ? {} : { body }),
  };
}
