/**
 * The words that a JSON Schema knows at a place of a document. Pure.
 *
 * @typedef {Record<string, any>} Schema
 * @typedef {{word: string, about: string, schema?: Schema, isRequired?: boolean}} Word
 */

import { isObject } from "../core/diff.js";

/** A schema that leads to itself without a value between is left after so many steps. */
const STEPS_MAX = 200;

/**
 * The schema of a workers document, which is a part of the one of blueprints.
 *
 * @param {Schema} blueprint
 * @returns {Schema}
 */
export function workersSchema(blueprint) {
  const { project, activity, workers } = blueprint.properties ?? {};
  return {
    $defs: blueprint.$defs,
    type: "object",
    additionalProperties: false,
    required: ["project", "activity", "workers"],
    properties: { project, activity, workers },
  };
}

/**
 * The schemas that hold for what stands at *names* in *value*; which of them apply may depend on
 * what stands beside it.
 *
 * @param {Schema} root
 * @param {string[]} names
 * @param {any} value of the whole document
 * @returns {Schema[]}
 */
export function schemasAt(root, names, value) {
  let here = value;
  let schemas = applying(root, [root], here);
  for (const name of names) {
    const below = schemas.flatMap((schema) => under(schema, name, here));
    here = isObject(here) || Array.isArray(here) ? here[/** @type {any} */ (name)] : undefined;
    schemas = applying(root, below, here);
  }
  return schemas;
}

/**
 * The fields of an object that are not there yet, those that it must have first.
 *
 * @param {Schema[]} schemas
 * @param {string[]} present
 * @returns {Word[]}
 */
export function fieldWords(schemas, present) {
  /** @type {Map<string, Word>} */
  const words = new Map();
  const required = new Set(schemas.flatMap((schema) => schema.required ?? []));
  for (const schema of schemas) {
    for (const [word, field] of Object.entries(schema.properties ?? {})) {
      const about = field.description ?? words.get(word)?.about ?? "";
      if (present.includes(word)) continue;
      words.set(word, { word, about, schema: field, isRequired: required.has(word) });
    }
  }
  return [...words.values()].sort((a, b) => Number(b.isRequired) - Number(a.isRequired));
}

/**
 * The values that are known for a place, as JSON.
 *
 * @param {Schema[]} schemas
 * @returns {Word[]}
 */
export function valueWords(schemas) {
  /** @type {Map<string, string>} */
  const words = new Map();
  for (const schema of schemas) {
    const values = schema.enum ?? ("const" in schema ? [schema.const] : []);
    for (const value of values) words.set(JSON.stringify(value), schema.description ?? "");
    if (typesOf(schema).includes("boolean")) words.set("true", "").set("false", "");
    if ("default" in schema && !isObject(schema.default) && schema.default !== null) {
      const word = JSON.stringify(schema.default);
      words.set(word, `${words.get(word) ?? ""} (default)`.trim());
    }
  }
  return [...words].map(([word, about]) => ({ word, about }));
}

/**
 * What is typed for a new field: the brackets or quotes that its value has.
 *
 * @param {Schema} root
 * @param {Schema} field
 */
export function emptyValue(root, field) {
  const types = applying(root, [field], undefined).flatMap(typesOf);
  const first = types.find((type) => type !== "null");
  /** @type {Record<string, string>} */
  const empty = { string: '""', array: "[]", object: "{}" };
  return empty[first ?? ""] ?? "";
}

// ------------------------------------------------------------ which schemas apply

/**
 * @param {Schema} root
 * @param {Schema[]} schemas
 * @param {any} value
 */
function applying(root, schemas, value) {
  /** @type {Schema[]} */
  const found = [];
  const todo = [...schemas];
  for (let step = 0; step < STEPS_MAX; step += 1) {
    const schema = todo.shift();
    if (schema === undefined) break;
    if (!isObject(schema)) continue;
    found.push(schema);
    if (typeof schema.$ref === "string") todo.push(defined(root, schema.$ref));
    todo.push(...(schema.allOf ?? []), ...(schema.anyOf ?? []), ...(schema.oneOf ?? []));
    // Nothing is typed yet: every branch may come to apply.
    if (schema.then && (value === undefined || holds(schema.if, value))) todo.push(schema.then);
    if (schema.else && (value === undefined || !holds(schema.if, value))) todo.push(schema.else);
  }
  return found;
}

/**
 * @param {Schema} root
 * @param {string} ref
 */
function defined(root, ref) {
  return root.$defs?.[ref.replace("#/$defs/", "")] ?? {};
}

/**
 * The schemas of a part.
 *
 * @param {Schema} schema
 * @param {string} name
 * @param {any} value
 * @returns {Schema[]}
 */
function under(schema, name, value) {
  if (Array.isArray(value) || (value === undefined && /^\d+$/.test(name))) {
    return schema.items ? [schema.items] : [];
  }
  if (schema.properties && Object.hasOwn(schema.properties, name)) return [schema.properties[name]];
  return isObject(schema.additionalProperties) ? [schema.additionalProperties] : [];
}

/**
 * Whether a condition holds, as far as the schemas of blueprints have conditions: types, values,
 * fields.
 *
 * @param {Schema} condition
 * @param {any} value
 */
function holds(condition, value) {
  const types = typesOf(condition);
  if (types.length > 0 && !types.some((type) => isA(type, value))) return false;
  if (condition.enum && !condition.enum.includes(value)) return false;
  if (!isObject(value)) return true;
  const required = /** @type {string[]} */ (condition.required ?? []);
  if (!required.every((name) => Object.hasOwn(value, name))) return false;
  return Object.entries(condition.properties ?? {}).every(([name, { enum: values }]) => {
    return !Object.hasOwn(value, name) || !values || values.includes(value[name]);
  });
}

/**
 * @param {string} type
 * @param {any} value
 */
function isA(type, value) {
  if (type === "object") return isObject(value);
  if (type === "array") return Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  if (type === "null") return value === null;
  const name = typeof value;
  return name === type;
}

/**
 * @param {Schema} schema
 * @returns {string[]}
 */
function typesOf(schema) {
  return [schema.type ?? []].flat();
}
