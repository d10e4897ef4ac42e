/** A form made from a JSON Schema; what is too much for one is written as JSON. */

import { fieldOf, initialValue } from "../core/schema_form.js";
import {
  errorsBelow,
  freshName,
  moved,
  optionFor,
  renamed,
  withName,
} from "../core/schema_form_values.js";
import { html, useMemo, useRef, useState } from "../vendor/preact.js";
import { Input, JsonInput } from "./form_inputs.js";
import { JsonField } from "./json.js";

/** A list of more items is quicker to change as text. */
const ITEMS_MAX = 100;

/**
 * @typedef {import("../core/schema_form.js").Schema} Schema
 * @typedef {import("../core/schema_form.js").Field} Field
 * @typedef {{pointer: string, message: string}} FieldError
 *
 * @typedef {object} FormProps
 * @property {Schema} schema none, or `true`: any JSON
 * @property {any} value begin with `initialValue(schema)`
 * @property {(value: any, isValid: boolean) => void} onChange not valid: the text is no JSON yet, and
 *   the value is the last one that was
 * @property {FieldError[]} [errors] what a problem said
 * @property {string} [label]
 */

/** @param {FormProps} props */
export function SchemaForm({ schema, value, onChange, errors = [], label = "value" }) {
  const [isText, setText] = useState(false);
  const kind = useMemo(() => fieldOf(schema, schema).kind, [schema]);
  const change = (/** @type {any} */ next, isValid = true) => onChange(next, isValid);
  if (kind === "json") {
    return html`<div class="form"><${JsonInput} value=${value} onChange=${change} label=${label} errors=${errors} /></div>`;
  }
  const toForm = () => {
    setText(false);
    onChange(value, true);
  };
  return html`
    <div class="form">
      <div class="switch" role="group" aria-label="how to write it">
        <button type="button" aria-pressed=${!isText} onClick=${toForm}>Form</button>
        <button type="button" aria-pressed=${isText} onClick=${() => setText(true)}>JSON</button>
      </div>
      ${
        isText
          ? html`<${JsonInput} value=${value} onChange=${change} label=${label} errors=${errors} />`
          : html`<${Part} schema=${schema} root=${schema} value=${value} onChange=${change} errors=${errors} depth=${0} isRequired isRoot />`
      }
    </div>
  `;
}

/**
 * @typedef {object} PartProps
 * @property {Schema} schema
 * @property {Schema} root
 * @property {any} value
 * @property {(value: any, isValid?: boolean) => void} onChange `undefined`: not there
 * @property {FieldError[]} errors
 * @property {number} depth
 * @property {boolean} [isRequired]
 * @property {boolean} [isRoot]
 * @property {boolean} [isItem] it is there in any case: no mark says so
 * @property {string} [name]
 *
 * @typedef {PartProps & {field: Field, label: any, hint: any}} GroupProps
 */

/** @param {PartProps} props */
function Part(props) {
  const {
    schema,
    root,
    value,
    depth,
    isRequired = false,
    isRoot = false,
    isItem = false,
    name = "",
  } = props;
  const field = useMemo(() => fieldOf(schema, root, depth), [schema, root, depth]);
  const { title, description } = field.schema;
  const label = html`${title ?? name}${isRequired && !isRoot && !isItem && html`<b class="required" title="required" aria-label="required">*</b>`}`;
  const whole = { ...props, field, label, hint: hintOf(description, field), isRequired, name };
  if (field.kind === "json" || isMisfit(field.kind, value))
    return html`<${JsonInput} ...${whole} />`;
  if (field.kind === "object") return html`<${ObjectPart} ...${whole} />`;
  if (field.kind === "list") return html`<${ListPart} ...${whole} />`;
  if (field.kind === "union") return html`<${UnionPart} ...${whole} />`;
  return html`<${Input} ...${whole} />`;
}

/**
 * @param {string | undefined} description
 * @param {Field} field
 */
function hintOf(description, { kind, schema }) {
  const pattern =
    kind === "text" && schema.pattern ? html`matches <code>${schema.pattern}</code>` : null;
  return description || pattern
    ? html`${description}${description && pattern ? "; " : ""}${pattern}`
    : null;
}

/**
 * Whether a value is of another shape than its field, or too long for one.
 *
 * @param {string} kind
 * @param {any} value
 */
function isMisfit(kind, value) {
  if (value === undefined || value === null || ["union", "choice", "fixed"].includes(kind))
    return false;
  if (kind === "list") return !Array.isArray(value) || value.length > ITEMS_MAX;
  if (kind === "object") return typeof value !== "object" || Array.isArray(value);
  return typeof value === "object";
}

/** A group of fields; one that need not be there is there when it is added. @param {GroupProps & {children?: any, own?: FieldError[]}} props */
function Group({
  label,
  hint,
  value,
  onChange,
  isRequired,
  isRoot,
  schema,
  root,
  depth,
  field,
  own = [],
  children,
}) {
  const wrong =
    own.length > 0 &&
    html`<p class="wrong" role="alert">${own.map(({ pointer, message }) => `${pointer} ${message}`.trim()).join("; ")}</p>`;
  if (isRoot) return html`${hint && html`<p class="says">${hint}</p>`}${wrong}${children}`;
  const isThere = value !== undefined && value !== null;
  const add = () =>
    onChange(initialValue(schema, root, depth) ?? (field.kind === "list" ? [] : {}));
  return html`
    <fieldset class="group">
      <legend>${label}</legend>
      ${hint && html`<small>${hint}</small>`}${wrong}
      ${isThere ? children : html`<button type="button" class="add" onClick=${add}>+ add</button>`}
      ${value === null && html`<small>null</small>`}
      ${isThere && !isRequired && html`<button type="button" class="quiet take" onClick=${() => onChange(undefined)}>leave out</button>`}
    </fieldset>
  `;
}

/** @param {GroupProps} props */
function ObjectPart(props) {
  const { field, root, value, onChange, errors, depth } = props;
  const { properties = {}, required = [], additionalProperties } = field.schema;
  const object = value ?? {};
  const names = Object.keys(properties);
  const further = Object.keys(object).filter((name) => !names.includes(name));
  const { own, below } = errorsBelow(errors, [...names, ...further]);
  const isOpen =
    names.length === 0 ? additionalProperties !== false : Boolean(additionalProperties);
  const set =
    (/** @type {string} */ name) =>
    (/** @type {any} */ next, isValid = true) =>
      onChange(withName(object, name, next), isValid);
  const part = (/** @type {string} */ name) => html`
    <${Part}
      key=${name} name=${name} schema=${properties[name]} root=${root} value=${Object.hasOwn(object, name) ? object[name] : undefined}
      onChange=${set(name)} errors=${below.get(name)} depth=${depth + 1} isRequired=${required.includes(name)}
    />
  `;
  return html`
    <${Group} ...${props} own=${own}>
      ${names.map(part)}
      ${(isOpen || further.length > 0) && html`<${Rows} object=${object} names=${further} schema=${additionalProperties} root=${root} onChange=${onChange} below=${below} depth=${depth} isOpen=${isOpen} />`}
    <//>
  `;
}

/**
 * Names that the schema leaves to the person.
 *
 * @param {{object: Record<string, any>, names: string[], schema: Schema, root: Schema, onChange: (value: any, isValid?: boolean) => void,
 *   below: Map<string, FieldError[]>, depth: number, isOpen: boolean}} props
 */
function Rows({ object, names, schema, root, onChange, below, depth, isOpen }) {
  const row = (/** @type {string} */ name, /** @type {number} */ at) => html`
    <div class="named" key=${at}>
      <input type="text" aria-label="name" value=${name} onChange=${(/** @type {any} */ event) => onChange(renamed(object, name, event.target.value))} />
      <${Part}
        schema=${schema} root=${root} value=${object[name]} errors=${below.get(name) ?? []} depth=${depth + 1} isRequired isItem name=${name}
        onChange=${(/** @type {any} */ next, isValid = true) => onChange(withName(object, name, next ?? null), isValid)}
      />
      <button type="button" class="quiet" aria-label=${`remove ${name}`} onClick=${() => onChange(withName(object, name, undefined))}>✕</button>
    </div>
  `;
  const add = () =>
    onChange(withName(object, freshName(object), initialValue(schema, root, depth + 1) ?? ""));
  return html`${names.map(row)}${isOpen && html`<button type="button" class="add" onClick=${add}>+ add a name</button>`}`;
}

/** @param {GroupProps} props */
function ListPart(props) {
  const { field, root, value, onChange, errors, depth } = props;
  const { items, minItems = 0, maxItems = Infinity } = field.schema;
  /** @type {any[]} */
  const list = value ?? [];
  const { own, below } = errorsBelow(
    errors,
    list.map((_, at) => String(at)),
  );
  // A key goes with its item: what a field remembers moves along.
  const keys = useRef(/** @type {number[]} */ ([]));
  while (keys.current.length < list.length) keys.current.push(Math.max(-1, ...keys.current) + 1);
  const move = (/** @type {number} */ from, /** @type {number} */ to) => {
    keys.current = /** @type {number[]} */ (moved(keys.current, from, to));
    onChange(moved(list, from, to));
  };
  const remove = (/** @type {number} */ at) => {
    keys.current = keys.current.toSpliced(at, 1);
    onChange(list.toSpliced(at, 1));
  };
  const item = (/** @type {any} */ one, /** @type {number} */ at) => html`
    <li key=${keys.current[at]}>
      <${Part}
        schema=${items} root=${root} value=${one} errors=${below.get(String(at))} depth=${depth + 1} isRequired isItem name=${`${at + 1}`}
        onChange=${(/** @type {any} */ next, isValid = true) => onChange(list.with(at, next ?? null), isValid)}
      />
      <span class="moves">
        <button type="button" class="quiet" aria-label=${`move item ${at + 1} up`} disabled=${at === 0} onClick=${() => move(at, at - 1)}>↑</button>
        <button type="button" class="quiet" aria-label=${`move item ${at + 1} down`} disabled=${at === list.length - 1} onClick=${() => move(at, at + 1)}>↓</button>
        <button type="button" class="quiet" aria-label=${`remove item ${at + 1}`} disabled=${list.length <= minItems} onClick=${() => remove(at)}>✕</button>
      </span>
    </li>
  `;
  const add = () => onChange([...list, initialValue(items, root, depth + 1) ?? null]);
  return html`
    <${Group} ...${props} own=${own}>
      <ol class="items">${list.map(item)}</ol>
      ${list.length < Math.min(maxItems, ITEMS_MAX) && html`<button type="button" class="add" onClick=${add}>+ add an item</button>`}
    <//>
  `;
}

/** One of several schemas, by choice. @param {GroupProps} props */
function UnionPart({ field, root, value, onChange, errors, depth, label, hint, isRequired }) {
  const options = field.options ?? [];
  const [picked, setPicked] = useState(/** @type {number | null} */ (null));
  const at =
    value === undefined && picked === null ? -1 : (picked ?? optionFor(options, value, root));
  const pick = (/** @type {any} */ event) => {
    const next = Number(event.target.value);
    setPicked(next < 0 ? null : next);
    onChange(
      next === -2
        ? null
        : next === -1
          ? undefined
          : initialValue(options[next].schema, root, depth + 1),
    );
  };
  const isOdd = at === -1 && value !== undefined && value !== null;
  return html`
    <fieldset class="group">
      <legend>${label}</legend>
      ${hint && html`<small>${hint}</small>`}
      <select aria-label="which kind" value=${value === null && picked === null ? -2 : at} onChange=${pick}>
        <option value="-1">${isRequired ? "choose…" : "–"}</option>
        ${field.isNullable && html`<option value="-2">null</option>`}
        ${options.map((option, index) => html`<option key=${index} value=${index}>${option.label}</option>`)}
      </select>
      ${isOdd && html`<${JsonField} value=${value} onChange=${onChange} label="value" />`}
      ${
        at >= 0
          ? html`<${Part} key=${at} schema=${options[at].schema} root=${root} value=${value} onChange=${onChange} errors=${errors} depth=${depth + 1} isRequired isRoot name=${options[at].label} />`
          : errors.map(({ message }) => html`<p class="wrong">${message}</p>`)
      }
    </fieldset>
  `;
}
