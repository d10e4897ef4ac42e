/** The fields of a form that hold one value. */

import { complaint, localOf, momentOf, numberOf } from "../core/schema_form_values.js";
import { html, useEffect, useId, useState } from "../vendor/preact.js";
import { JsonField } from "./json.js";

/** Longer texts get several lines. */
const LINE_MAX = 300;
/** What is wrong is said a moment after a field is left: at once, it would move the button that is
 * being clicked from under the pointer. */
const LEFT_MS = 250;

/**
 * @typedef {object} InputProps
 * @property {import("../core/schema_form.js").Field} field
 * @property {any} value
 * @property {(value: any, isValid?: boolean) => void} onChange
 * @property {boolean} isRequired
 * @property {string} name
 * @property {any} label
 * @property {any} hint
 * @property {{pointer: string, message: string}[]} errors
 */

/** @param {InputProps} props */
export function Input(props) {
  const { field, value, onChange, isRequired, name, label, hint, errors } = props;
  const id = useId();
  const [isLeft, setLeft] = useState(false);
  const mine = isLeft ? complaint(field.schema, value) : null;
  // What is wrong now goes before what the server said of an earlier value.
  const messages = mine === null ? [...new Set(errors.map(messageOf))] : [mine];
  const said = messages.length > 0 ? `${id}-error` : hint ? `${id}-hint` : null;
  const attributes = {
    id,
    name,
    required: isRequired,
    disabled: value === null && field.isNullable,
    "aria-invalid": messages.length > 0 ? "true" : null,
    "aria-describedby": said,
    onBlur: () => setTimeout(() => setLeft(true), LEFT_MS),
  };
  const View = VIEWS[field.kind];
  return html`
    <div class="field">
      ${field.kind === "boolean" ? html`<span class="name" id=${`${id}-name`}>${label}</span>` : html`<label class="name" for=${id}>${label}</label>`}
      <div class="entry">
        <${View} ...${props} attributes=${attributes} />
        ${
          field.isNullable &&
          html`<label class="choice">
            <input type="checkbox" checked=${value === null} onChange=${(/** @type {any} */ event) => onChange(event.target.checked ? null : undefined)} />
            null
          </label>`
        }
      </div>
      ${hint && html`<small id=${`${id}-hint`}>${hint}</small>`}
      ${messages.length > 0 && html`<p class="wrong" id=${`${id}-error`}>${messages.join("; ")}</p>`}
    </div>
  `;
}

/** @param {{pointer: string, message: string}} error */
function messageOf({ pointer, message }) {
  return pointer === "" ? message : `${pointer}: ${message}`;
}

/** @typedef {InputProps & {attributes: any}} ViewProps */

/** @type {Record<string, (props: ViewProps) => any>} */
const VIEWS = {
  text: TextInput,
  date: DateInput,
  moment: MomentInput,
  number: NumberInput,
  boolean: YesNo,
  choice: Choice,
  fixed: Fixed,
};

/** @param {ViewProps} props */
function TextInput({ field, value, onChange, isRequired, attributes }) {
  const { format, maxLength, examples } = field.schema;
  const common = {
    ...attributes,
    value: value ?? "",
    placeholder: typeof examples?.[0] === "string" ? examples[0] : undefined,
    onInput: (/** @type {any} */ event) => onChange(textOf(event.target.value, isRequired)),
  };
  const isLong = maxLength > LINE_MAX || (typeof value === "string" && value.includes("\n"));
  if (isLong) return html`<textarea rows="3" ...${common}></textarea>`;
  const mode = { email: "email", uri: "url" }[/** @type {string} */ (format)];
  return html`<input type="text" inputmode=${mode} autocomplete="off" ...${common} />`;
}

/** An empty text that need not be there is not there. @param {string} text @param {boolean} isRequired */
function textOf(text, isRequired) {
  return text === "" && !isRequired ? undefined : text;
}

/** @param {ViewProps} props */
function DateInput({ value, onChange, attributes }) {
  return html`<input type="date" ...${attributes} value=${value ?? ""} onInput=${(/** @type {any} */ event) => onChange(event.target.value || undefined)} />`;
}

/** @param {ViewProps} props */
function MomentInput({ value, onChange, attributes }) {
  return html`<input type="datetime-local" step="1" ...${attributes} value=${localOf(value)}
    onInput=${(/** @type {any} */ event) => onChange(momentOf(event.target.value))} />`;
}

/** Text that becomes a number: "1." and "-" on the way to one stay as they were typed. @param {ViewProps} props */
function NumberInput({ field, value, onChange, attributes }) {
  const [text, setText] = useState(String(value ?? ""));
  useEffect(() => {
    if (numberOf(text) !== (value ?? undefined)) setText(String(value ?? ""));
  }, [value]);
  const onInput = (/** @type {any} */ event) => {
    setText(event.target.value);
    onChange(numberOf(event.target.value));
  };
  const mode = field.schema.type === "integer" ? "numeric" : "decimal";
  return html`<input type="text" class="number" inputmode=${mode} autocomplete="off" ...${attributes} value=${text} onInput=${onInput} />`;
}

/** Yes and no as two: what must be decided has no answer until somebody gives one. @param {ViewProps} props */
function YesNo({ value, onChange, isRequired, attributes }) {
  const { id } = attributes;
  const one = (/** @type {boolean | undefined} */ answer, /** @type {string} */ word) => html`
    <label class="choice">
      <input type="radio" name=${id} disabled=${attributes.disabled} checked=${value === answer} onChange=${() => onChange(answer)} />
      ${word}
    </label>
  `;
  return html`<div class="answers" role="radiogroup" aria-labelledby=${`${id}-name`} aria-describedby=${attributes["aria-describedby"]}>
    ${one(true, "yes")}${one(false, "no")}${!isRequired && one(undefined, "not given")}
  </div>`;
}

/** @param {ViewProps} props */
function Choice({ field, value, onChange, isRequired, attributes }) {
  const options = field.options ?? [];
  const at = options.findIndex((option) => JSON.stringify(option.value) === JSON.stringify(value));
  const pick = (/** @type {any} */ event) => onChange(options[Number(event.target.value)]?.value);
  return html`
    <select ...${attributes} value=${at} onChange=${pick}>
      ${(at === -1 || !isRequired) && html`<option value="-1">${isRequired ? "choose…" : "–"}</option>`}
      ${options.map((option, index) => html`<option key=${index} value=${index}>${option.label}</option>`)}
    </select>
  `;
}

/** @param {ViewProps} props */
function Fixed({ field, value, onChange, isRequired, attributes }) {
  const { const: constant } = field.schema;
  const text = html`<code>${JSON.stringify(constant)}</code>`;
  if (isRequired && value !== undefined) return text;
  return html`<label class="choice">
    <input type="checkbox" id=${attributes.id} checked=${value !== undefined} onChange=${(/** @type {any} */ event) => onChange(event.target.checked ? constant : undefined)} />
    ${text}
  </label>`;
}

/** What is too much for fields. @param {InputProps} props */
export function JsonInput({ value, onChange, label, hint, errors }) {
  const wrong = errors.map(messageOf).join("; ");
  return html`<${JsonField} value=${value} onChange=${onChange} label=${label} hint=${hint} error=${wrong} />`;
}
