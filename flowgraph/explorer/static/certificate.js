/** What a certificate says, in few words: why J has no inverse for any x. */

import { h, plural } from "./dom.js";

const NAMES = 4;

/** The values to ring: the cut, or what is connected with nothing. */
export function ringed({ kind, cut, inputs, outputs }) {
  if (cut.length) return cut;
  return kind === "inputs" ? inputs : outputs;
}

/** The verdict and its reason, for one line. */
export function whyWords(program, certificate) {
  const { n, outputs } = program;
  const square = outputs.length === n;
  const shape = `J is not square: ${plural(n, "input")}, ${plural(outputs.length, "output")}. `;
  return [h("strong", { class: "bad", text: square ? "J is singular for every x. " : shape }),
    square ? reason(program, certificate) : ""];
}

function reason(program, { kind, cut, inputs, outputs, text }) {
  if (cut.length === 0) return `${sentence(text)}.`;
  const more = cut.length > NAMES ? ", …" : "";
  const names = cut.slice(0, NAMES).map((value) => program.names[value]).join(", ") + more;
  const few = `${plural(cut.length, "value")} alone: ${names}.`;
  if (kind === "inputs") return `${plural(inputs.length, "input")} act through ${few}`;
  return `${plural(outputs.length, "output")} depend on ${few}`;
}

/** The two paragraphs of the panel. */
export function certificateWords(program, certificate) {
  const names = ringed(certificate).map((value) => program.names[value]).join(", ");
  const through = certificate.cut.length ? "It is all that passes; the red lines are the ways through." : "";
  const several = certificate.cut.length > 1 ? through.replace("It is", "They are") : through;
  return [h("p", { text: `${sentence(certificate.text)}.` }),
    h("p", { class: "quiet", text: `Ringed in red: ${names}. ${several}`.trim() })];
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
