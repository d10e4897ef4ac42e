/**
 * Which field a form has for a JSON Schema, and with which value it begins. Pure.
 *
 * @typedef {any} Schema a JSON Schema as somebody wrote it
 * @typedef {"text" | "date" | "moment" | "number" | "boolean" | "choice" | "fixed" | "list"
 *   | "object" | "union" | "json"} Kind
 * @typedef {{label: string, value?: unknown, schema?: Schema}} Option
 * @typedef {object} Field
 * @property {Kind} kind `json`: too much for a form, or anything at all
 * @property {Schema} schema without references
 * @property {boolean} isNullable
 * @property {Option[]} [options] of a choice their values, of a union their schemas
 */

import { decoded } from "./addresses.js";

const HOPS_MAX = 20;
const DEPTH_MAX = 8;
const ITEMS_BEGUN_MAX = 20;
/** A schema that demands itself several times would begin with millions. */
const PARTS_BEGUN_MAX = 500;
const LABEL_MAX = 80;

/** What changes the fields with the value: such a part is written as JSON. */
const TOO_MUCH = ["if", "prefixItems", "patternProperties", "dependentSchemas"];

/** A date by its pattern: what was written before `format` was known to be of use. */
const DATE_PATTERN = /^\^?(\[0-9\]|\\d)\{4\}-(\[0-9\]|\\d)\{2\}-(\[0-9\]|\\d)\{2\}\$?$/;

/** @type {Record<string, string[]>} */
const TOLD_BY = {
  object: ["properties", "additionalProperties", "required"],
  array: ["items", "minItems", "maxItems"],
  string: ["minLength", "maxLength", "pattern", "format"],
  number: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
};

/**
 * The field for a schema.
 *
 * @param {Schema} schema
 * @param {Schema} root where `$ref` points into
 * @param {number} [depth]
 * @returns {Field}
 */
export function fieldOf(schema, root, depth = 0) {
  const whole = plain(schema, root);
  const field = kindOf(whole, root);
  if (depth >= DEPTH_MAX && ["object", "list", "union"].includes(field.kind)) {
    return { ...field, kind: "json" };
  }
  return field;
}

/**
 * @param {Schema} whole
 * @param {Schema} root
 * @param {number} [hops] one of several may be the whole again
 * @returns {Field}
 */
function kindOf(whole, root, hops = 0) {
  /** @type {Field} */
  const json = { kind: "json", schema: whole, isNullable: false };
  if (hops > HOPS_MAX || TOO_MUCH.some((keyword) => keyword in whole)) return json;
  if ("const" in whole) return { ...json, kind: "fixed" };
  if (Array.isArray(whole.enum)) return choice(whole, whole.enum.map(optionOf));
  const kinds = whole.oneOf ?? whole.anyOf;
  if (Array.isArray(kinds))
    return unionOf(
      whole,
      kinds.map((kind) => plain(kind, root)),
      root,
      hops,
    );
  if (Array.isArray(whole.type)) {
    const kinds = whole.type.map((/** @type {string} */ type) => ({ type }));
    return unionOf({ ...whole, type: undefined }, kinds, root, hops);
  }
  const kind = KINDS[whole.type ?? told(whole)];
  return kind === undefined ? json : { ...json, kind: kind(whole) };
}

/** @type {Record<string, (schema: Schema) => Kind>} */
const KINDS = {
  string: textKind,
  number: () => "number",
  integer: () => "number",
  boolean: () => "boolean",
  array: () => "list",
  object: () => "object",
};

/** @param {Schema} schema @returns {Kind} */
function textKind({ format, pattern = "" }) {
  if (format === "date" || DATE_PATTERN.test(pattern)) return "date";
  return format === "date-time" ? "moment" : "text";
}

/**
 * The type of a schema that names none.
 *
 * @param {Schema} schema
 */
function told(schema) {
  return Object.keys(TOLD_BY).find((type) => TOLD_BY[type].some((word) => word in schema)) ?? "";
}

/**
 * @param {Schema} whole
 * @param {Schema[]} kinds
 * @param {Schema} root
 * @param {number} hops
 * @returns {Field}
 */
function unionOf(whole, kinds, root, hops) {
  const { oneOf: _, anyOf: __, ...base } = whole;
  const some = kinds.filter((kind) => kind.type !== "null" && kind.const !== null);
  const isNullable = some.length < kinds.length;
  if (some.every(isOnlyDemand)) return { ...kindOf(base, root, hops + 1), isNullable };
  if (some.length === 1) return { ...kindOf(merged([base, some[0]]), root, hops + 1), isNullable };
  if (some.every((kind) => "const" in kind)) {
    const options = some.map(({ const: value, title }) => ({
      label: title ?? textOf(value),
      value,
    }));
    return { kind: "choice", schema: base, isNullable, options };
  }
  const { title: _title, description: _description, default: _default, ...common } = base;
  const options = some.map((kind, at) => ({
    label: nameOf(kind, root) ?? `choice ${at + 1}`,
    schema: merged([common, kind]),
  }));
  return { kind: "union", schema: base, isNullable, options };
}

/** Whether it brings no field: `oneOf: [{required: ["a"]}, ...]`. @param {Schema} kind */
function isOnlyDemand(kind) {
  return Object.keys(kind).every((keyword) => ["required", "not", "description"].includes(keyword));
}

/**
 * @param {Schema} schema
 * @param {Option[]} options
 * @returns {Field}
 */
function choice(schema, options) {
  const some = options.filter(({ value }) => value !== null);
  return { kind: "choice", schema, isNullable: some.length < options.length, options: some };
}

/** @param {unknown} value @returns {Option} */
function optionOf(value) {
  return { label: textOf(value), value };
}

/** @param {unknown} value */
function textOf(value) {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > LABEL_MAX ? `${text.slice(0, LABEL_MAX)}…` : text;
}

/**
 * What one kind of several is called: its title, what tells it from others, or its type.
 *
 * @param {Schema} kind
 * @param {Schema} root
 * @returns {string | undefined}
 */
function nameOf(kind, root) {
  if (kind.title) return kind.title;
  for (const part of Object.values(kind.properties ?? {})) {
    const { const: value } = plain(part, root);
    if (typeof value === "string") return value;
  }
  return "const" in kind ? textOf(kind.const) : kind.type;
}

/**
 * A schema without `$ref` and `allOf`, on its own level.
 *
 * @param {Schema} schema
 * @param {Schema} root
 * @returns {Schema}
 */
export function plain(schema, root) {
  let whole = isSchema(schema) ? schema : {};
  for (let hop = 0; hop < HOPS_MAX && typeof whole.$ref === "string"; hop++) {
    const { $ref, ...beside } = whole;
    whole = merged([pointed(root, $ref), beside]);
  }
  for (let hop = 0; hop < HOPS_MAX && Array.isArray(whole.allOf); hop++) {
    const { allOf, ...beside } = whole;
    const parts = allOf
      .filter(isSchema)
      .map((/** @type {Schema} */ part) =>
        typeof part.$ref === "string"
          ? merged([pointed(root, part.$ref), { ...part, $ref: undefined }])
          : part,
      );
    whole = merged([...parts, beside]);
  }
  return whole;
}

/** @param {Schema} schema */
function isSchema(schema) {
  return typeof schema === "object" && schema !== null && !Array.isArray(schema);
}

/**
 * What `#/$defs/name` names; nothing where it leads nowhere.
 *
 * @param {Schema} root
 * @param {string} reference
 */
function pointed(root, reference) {
  let place = root;
  for (const part of reference.replace(/^#\/?/, "").split("/").filter(Boolean)) {
    const name = decoded(part).replaceAll("~1", "/").replaceAll("~0", "~");
    place = isSchema(place) && Object.hasOwn(place, name) ? place[name] : {};
  }
  return isSchema(place) ? place : {};
}

/** @param {Schema[]} schemas */
function merged(schemas) {
  // Not by assignment: a name may be `__proto__`.
  const properties = Object.fromEntries(
    schemas.flatMap((schema) => Object.entries(schema.properties ?? {})),
  );
  const required = [...new Set(schemas.flatMap((schema) => schema.required ?? []))];
  const whole = Object.assign({}, ...schemas);
  for (const name of Object.keys(whole)) if (whole[name] === undefined) delete whole[name];
  if (Object.keys(properties).length > 0) whole.properties = properties;
  if (required.length > 0) whole.required = required;
  return whole;
}

/**
 * The value that a form begins with: constants, defaults, and the parts that must be there. What a
 * person must say is left out.
 *
 * @param {Schema} schema
 * @param {Schema} [root]
 * @param {number} [depth]
 * @param {{parts: number}} [room] how many more parts there may be
 * @returns {any} `undefined`: nothing
 */
export function initialValue(schema, root = schema, depth = 0, room = { parts: PARTS_BEGUN_MAX }) {
  if (room.parts-- <= 0) return undefined;
  const field = fieldOf(schema, root, depth);
  const { const: constant, default: given } = field.schema;
  if (given !== undefined) return structuredClone(given);
  if (constant !== undefined) return structuredClone(constant);
  if (field.kind === "object") return initialObject(field.schema, root, depth, room);
  if (field.kind === "list") {
    const length = Math.min(field.schema.minItems ?? 0, ITEMS_BEGUN_MAX);
    const item = () => initialValue(field.schema.items, root, depth + 1, room) ?? null;
    return Array.from({ length }, item);
  }
  return undefined;
}

/**
 * @param {Schema} schema
 * @param {Schema} root
 * @param {number} depth
 * @param {{parts: number}} room
 */
function initialObject({ properties = {}, required = [] }, root, depth, room) {
  /** @type {Record<string, unknown>} */
  const begun = {};
  for (const [name, part] of Object.entries(properties)) {
    const isWanted = required.includes(name) || plain(part, root).default !== undefined;
    const value = isWanted ? initialValue(part, root, depth + 1, room) : undefined;
    if (value !== undefined) put(begun, name, value);
  }
  return begun;
}

/**
 * Set a name that may be `__proto__`.
 *
 * @param {Record<string, unknown>} object
 * @param {string} name
 * @param {unknown} value
 */
export function put(object, name, value) {
  Object.defineProperty(object, name, {
    value,
    enumerable: true,
    configurable: true,
    writable: true,
  });
}
