/** Pieces of HTML that the tabs "Derivation" and "Check" and the dialog "Take home" share. */

import { h, mathName } from "./dom.js";

/** A button that is no submit button. */
export function button(label, attributes, ...children) {
  return h("button", { type: "button", ...attributes }, label, ...children);
}

/**
 * A text with its names as mathematics. @3, the row of a copy, is small.
 * @param {string} text such as "x1@1 → z1" or "∂f/∂x1"
 */
export function maths(text) {
  const span = h("span", { class: "maths" });
  let rest = 0;
  for (const match of text.matchAll(/\p{L}[\p{L}\d_]*|@\d+/gu)) {
    span.append(text.slice(rest, match.index));
    span.append(match[0].startsWith("@") ? h("span", { class: "row-of-copy" }, match[0]) : mathName(match[0]));
    rest = match.index + match[0].length;
  }
  span.append(text.slice(rest));
  return span;
}

/** A reference, with its arXiv number as a link. Nothing is sent along with it but the click. */
export function reference(text) {
  const span = h("span", { class: "reference" });
  const match = /arXiv:(\d{4}\.\d{4,5})/.exec(text);
  if (!match) {
    span.append(text);
    return span;
  }
  const link = h("a", {
    href: `https://arxiv.org/abs/${match[1]}`,
    rel: "noreferrer noopener",
    target: "_blank",
  });
  link.append(match[0]);
  span.append(text.slice(0, match.index), link, text.slice(match.index + match[0].length));
  return span;
}

/**
 * An error as a message: what, where, got, expected, remedy.
 * @param {{message?: string, where?: string, got?: string, expected?: string, remedy?: string}} error
 */
export function problem(error) {
  const box = h("div", { class: "problem", role: "alert" }, h("strong", {}, error.message ?? String(error)));
  for (const [key, word] of [["where", "Where"], ["got", "Got"], ["expected", "Expected"], ["remedy", "Remedy"]]) {
    if (error[key]) box.append(h("p", {}, h("span", { class: "term" }, `${word} `), String(error[key])));
  }
  return box;
}

/** How far long work is, from a message on the way; with or without its envelope. */
export function progressOf(message) {
  return message.progress ?? message;
}

/**
 * Copy a text. Where there is no clipboard (an address without https, a frame without leave) the field with the text is
 * selected, so that Ctrl+C does it.
 * @param {string} text
 * @param {HTMLElement} field input, textarea or any element that shows the text
 * @returns {Promise<boolean>} whether it is on the clipboard
 */
export async function copy(text, field) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof DOMException)) throw error;
    selectAll(field);
    return false;
  }
}

function selectAll(field) {
  if (typeof field.select === "function") {
    field.focus();
    field.select();
    return;
  }
  const range = document.createRange();
  range.selectNodeContents(field);
  const selection = window.getSelection();
  selection?.removeAllRanges();
  selection?.addRange(range);
}

/** A number as people read it; null stands for one that JSON cannot hold. */
export function number(x) {
  if (x === null) return "not finite";
  if (x === 0) return "0";
  const short = Number(x.toPrecision(6));
  const size = Math.abs(short);
  const text = size >= 1e6 || size < 1e-4 ? short.toExponential() : String(short);
  return text.replace("-", "−").replace("e+", "e").replace("e-", "e−");
}
