/** What lies under and over the rows: lumps, blocks, the width profile, and what the pointer or the focus points at. */

import { nameSpans, plural, s } from "./dom.js";
import { edgesOf, halfWidth, profilePaths, px, runsOf, stub, yOf } from "./order_layout.js";
import { CLIP } from "./order_rows.js";

/** Tints go up to this l; beyond, all are the last. */
const TINTS = 5;
/** Places for brackets side by side. */
const LANES = 4;

export class Marks {
  #lumps = new Map();
  #blocks = s("g", { class: "blocks", "clip-path": CLIP, "aria-hidden": "true" });
  #area = s("path", { class: "profile-area" });
  #line = s("path", { class: "profile-line" });
  #base = s("path", { class: "profile-base" });
  #ticks = s("g", { class: "profile-ticks" });
  #feet = s("g", { class: "feet", "clip-path": CLIP, "aria-hidden": "true" });

  constructor() {
    this.bands = s("g", { class: "lumps", role: "listbox", "aria-label": "lumps" });
    this.under = s("g", { class: "under" });
    this.legal = s("g", { class: "legal", "aria-hidden": "true" });
    this.profile = s("g", { class: "profile", "clip-path": CLIP, "data-testid": "profile", role: "img" },
      this.#area, this.#base, this.#line, this.#ticks);
    this.over = s("g", { class: "over", "clip-path": CLIP, "aria-hidden": "true" });
    this.under.append(this.bands, this.#blocks, this.legal, this.#feet);
  }

  /** The element of a lump, if it is in the document. */
  lump(index) {
    return this.#lumps.get(index)?.group;
  }

  /** @param {import("./order_rows.js").Picture} picture */
  patch(picture, first, last) {
    this.#patchLumps(picture, first, last);
    this.#patchBlocks(picture, first, last);
    this.#patchProfile(picture, first, last);
    this.#patchFeet(picture, last);
  }

  #patchLumps(picture, first, last) {
    const { frame, order } = picture;
    const seen = order.lumps.filter((lump) => lump.stop >= first && lump.start <= last);
    const wanted = new Set(seen.map((lump) => lump.index));
    for (const [index, parts] of this.#lumps) {
      if (!wanted.has(index)) {
        parts.group.remove();
        this.#lumps.delete(index);
      }
    }
    for (const lump of seen) {
      const parts = this.#lumps.get(lump.index) ?? this.#createLump(lump.index);
      const top = yOf(frame, lump.start + 0.5) + 1;
      const bottom = yOf(frame, lump.stop + 0.5) - 1;
      const held = JSON.stringify([top, bottom, frame.width, frame.label, lump.size, lump.operations, lump.matrix,
        order.lumps.length, picture.activeLump === lump.index]);
      parts.top = top;
      parts.bottom = bottom;
      if (parts.held === held) continue;
      parts.held = held;
      const tint = Math.min(lump.size, TINTS);
      parts.group.setAttribute("class", `lump l${tint}${lump.index % 2 ? " odd" : ""}` +
        `${picture.activeLump === lump.index ? " active" : ""}`);
      parts.group.setAttribute("aria-label", lumpWords(picture, lump));
      parts.group.setAttribute("aria-selected", String(picture.activeLump === lump.index));
      parts.group.setAttribute("tabindex", picture.activeLump === lump.index ? 0 : -1);
      parts.group.setAttribute("aria-posinset", lump.index + 1);
      parts.group.setAttribute("aria-setsize", order.lumps.length);
      for (const [element, x, width] of [[parts.band, 0.5, frame.width - 1], [parts.bar, 0.5, 3]]) {
        element.setAttribute("x", x);
        element.setAttribute("width", width);
        element.setAttribute("y", top);
        element.setAttribute("height", bottom - top);
      }
      this.#lumpText(frame, parts, lump);
    }
  }

  #createLump(index) {
    const parts = {
      group: s("g", { role: "option", "data-testid": "lump", "data-index": index, tabindex: -1 }),
      band: s("rect", { class: "band", rx: 4 }), bar: s("rect", { class: "bar", rx: 1.5 }),
      text: s("g", { class: "lump-text" }), held: "",
    };
    parts.group.append(parts.band, parts.bar, parts.text);
    this.#lumps.set(index, parts);
    this.bands.append(parts.group);
    return parts;
  }

  #lumpText(frame, parts, lump) {
    const steps = lump.stop - lump.start;
    const size = () => [s("tspan", { class: "math", text: "l" }), s("tspan", { text: ` = ${lump.size}` })];
    const cost = lump.operations === null ? "" : plural(lump.operations, frame.short ? "op" : "operation");
    const matrix = lump.matrix && lump.size > 1 && !frame.short ? lump.matrix : "";
    const rows = (parts.bottom - parts.top) / 15;
    let lines;
    if (rows < 3) {
      const short = lump.operations === null || frame.short ? "" : plural(lump.operations, "op");
      lines = [s("text", {}, ...size(), s("tspan", { class: "quiet", dx: 9, text: short }))];
    } else {
      const words = [plural(steps, "step"), cost, rows >= 4.4 && matrix ? `${matrix} A` : ""].filter(Boolean);
      lines = [s("text", {}, ...size()), ...words.map((text) => s("text", { class: "quiet", text }))];
    }
    lines.forEach((line, k) => {
      line.setAttribute("x", frame.label);
      line.setAttribute("y", (k - (lines.length - 1) / 2) * 15 + 4.5);
    });
    parts.lines = lines.length;
    parts.text.replaceChildren(...lines);
  }

  /** Words of tall lumps stay where they can be seen. */
  follow(top, bottom) {
    for (const parts of this.#lumps.values()) {
      const half = (parts.lines * 15) / 2 + 4;
      const middle = (Math.max(parts.top, Math.min(top, parts.bottom - 2 * half)) +
        Math.min(parts.bottom, Math.max(bottom, parts.top + 2 * half))) / 2;
      if (parts.middle === middle) continue;
      parts.middle = middle;
      parts.text.setAttribute("transform", `translate(0 ${px(middle)})`);
    }
  }

  #patchBlocks(picture, first, last) {
    const { frame, order } = picture;
    const key = JSON.stringify([first, last, frame.left, frame.profile, order.blocks]);
    if (this.blocksKey === key) return;
    this.blocksKey = key;
    const lanes = lanesOf(order.blocks);
    const seen = order.blocks.map((block, k) => [block, lanes[k]])
      .filter(([block]) => Math.min(...block.rows) <= last && Math.max(...block.rows) >= first);
    this.#blocks.replaceChildren(...seen.map(([block, lane]) => this.#block(frame, block, lane)));
  }

  #block(frame, block, lane) {
    const runs = runsOf(block.rows);
    const gap = 3;
    const top = (row) => yOf(frame, row - 0.5) + gap;
    const bottom = (row) => yOf(frame, row + 0.5) - gap;
    const shapes = [];
    if (runs.length === 1) {
      const [[from, to]] = runs;
      shapes.push(s("rect", { class: "block-outline", x: frame.left + 4, y: top(from), rx: 7,
        width: frame.right - frame.left - 4, height: bottom(to) - top(from) }));
    } else {
      // Outlines that cross one another can be read by nobody: brackets beside the rows can, each in a lane of its own.
      const x = frame.left - 2 - 4 * (lane % LANES);
      const bracket = ([from, to]) => `M${x + 3} ${px(top(from))}H${x}V${px(bottom(to))}H${x + 3}`;
      const link = ([from], k) => `M${x} ${px(bottom(runs[k][1]))}V${px(top(from))}`;
      shapes.push(s("path", { class: "block-bracket", d: runs.map(bracket).join("") }),
        s("path", { class: "block-link", d: runs.slice(1).map(link).join("") }));
    }
    const title = `block of ${plural(block.rows.length, "step")}, l = ${block.size}` +
      (block.operations === null ? "" : `, ${plural(block.operations, "operation")}`);
    return s("g", { class: "block", "data-testid": "block" }, s("title", { text: title }), ...shapes);
  }

  #patchProfile(picture, first, last) {
    const { frame, order } = picture;
    const end = order.widths.length - 1;
    const from = Math.max(0, first);
    const to = Math.min(end, last);
    const { line, area } = profilePaths(frame, order, from, to);
    this.#line.setAttribute("d", line);
    this.#area.setAttribute("d", area);
    this.#base.setAttribute("d", `M${px(frame.profile)} ${px(yOf(frame, from) - 8)}V${px(yOf(frame, to + 0.5))}`);
    const most = Math.max(...order.widths);
    const least = Math.min(...order.widths);
    this.profile.setAttribute("aria-label", `number of live values: n is ${order.n}, from ${least} to ${most}`);
    const ticks = [];
    for (let time = from; time <= to; time++) {
      const width = order.widths[time];
      const x = frame.profile + (width - order.n) * frame.unit;
      const y = yOf(frame, time + 0.5);
      if (width === order.n) ticks.push(s("circle", { class: "at-n", cx: px(x), cy: px(y), r: 2.6 }));
      const edge = time === 0 || order.widths[time - 1] !== width;
      if (edge && width !== order.n) {
        ticks.push(s("text", { class: width < order.n ? "below" : "", x: px(Math.max(x, frame.profile) + 5),
          y: px(yOf(frame, time) + (time === end ? 12 : frame.pitch / 2 + 4)), text: width }));
      }
    }
    this.#ticks.replaceChildren(...ticks);
  }

  /** The arrows of the outputs, under the last row. */
  #patchFeet(picture, last) {
    const { frame, program, order } = picture;
    const end = order.steps.length;
    if (last < end) {
      this.#feet.replaceChildren();
      return;
    }
    const arrows = [...new Set(program.outputs)].filter((value) => order.place[value] >= 0).map((value) => {
      const from = yOf(frame, end) + (order.rows[value] === end ? 11 : 0);
      return stub(frame.xs[order.place[value]], from, yOf(frame, end + 0.5) + 16);
    });
    this.#feet.replaceChildren(
      s("path", { class: "edge quiet", d: arrows.map((arrow) => arrow.line).join("") }),
      s("path", { class: "head quiet", d: arrows.map((arrow) => arrow.head).join("") }));
  }

  /**
   * The rows where a step may go.
   * @param {?number[]} band [first, last]; null takes the mark away
   */
  showLegal(picture, band) {
    if (!band) {
      this.legal.replaceChildren();
      return;
    }
    const { frame } = picture;
    const top = yOf(frame, band[0] - 0.5);
    const bottom = yOf(frame, band[1] + 0.5);
    this.legal.replaceChildren(
      s("rect", { x: 1, y: top, width: frame.width - 2, height: bottom - top, rx: 4 }),
      s("path", { d: `M1 ${top}H${frame.width - 1}M1 ${bottom}H${frame.width - 1}` }));
  }

  /** Take away what points at something. */
  clearPointer() {
    this.over.replaceChildren();
  }

  /** Where a value lives, and the steps that read it. */
  showValue(picture, value, readers) {
    const { frame, program, order } = picture;
    const row = order.rows[value];
    const register = order.place[value];
    if (row === undefined || row < 0 || register < 0) return this.clearPointer();
    const x = frame.xs[register];
    const half = halfWidth(program.names[value]) + 2.5;
    const end = order.steps.length;
    const last = order.last[value];
    const marks = [];
    if (last - 1 > row) {
      const stop = last > end ? yOf(frame, end + 0.5) + 4 : yOf(frame, last - 1);
      marks.push(s("path", { class: "live", d: `M${px(x)} ${px(yOf(frame, row) + 11)}V${px(stop)}` }));
    }
    for (const step of readers) {
      const at = order.rows[program.n + step];
      for (const edge of edgesOf(frame, program, order, step)) {
        if (edge.value !== value) continue;
        marks.push(s("g", { transform: `translate(0 ${yOf(frame, at)})` },
          s("path", { class: "live-edge", d: edge.line }), s("path", { class: "live-head", d: edge.head })));
      }
    }
    marks.push(s("rect", {
      class: "live-ring", x: x - half, y: yOf(frame, row) - 13.5, width: 2 * half, height: 27, rx: 13.5,
    }));
    this.over.replaceChildren(...marks);
  }

  /**
   * The edge that keeps a step from going where it was taken, from its place on the screen. The words stay between
   * left and right, where they are seen.
   */
  showBlocker(picture, from, to, words, [left, right], floating) {
    const { frame, program, order } = picture;
    const spot = (step) => {
      const value = program.n + step;
      const y = step === floating?.step ? floating.y : yOf(frame, picture.rowOf(step));
      return { x: frame.xs[Math.max(0, order.place[value])], y };
    };
    const [a, b] = [spot(from), spot(to)];
    const ring = ({ x, y }, step) => {
      const half = halfWidth(program.names[program.n + step]) + 3.5;
      return s("rect", { class: "blocking-end", x: x - half, y: y - 14.5, width: 2 * half, height: 29, rx: 14.5 });
    };
    const bend = a.x === b.x ? 26 : 0;
    const middle = { x: (a.x + b.x) / 2 + bend, y: (a.y + b.y) / 2 };
    const width = words.length * 7.8 + 18;
    const close = Math.abs(a.y - b.y) < 50 && Math.abs(a.x - b.x) < width + 34;
    const above = Math.min(a.y, b.y) - 28;
    const at = close ? (above > 14 ? above : Math.max(a.y, b.y) + 28) : middle.y;
    const x = Math.min(Math.max(middle.x, left + width / 2 + 4), Math.max(right, left + width + 8) - width / 2 - 4);
    const curve = `M${px(a.x)} ${px(a.y)}Q${px(middle.x + bend)} ${px(middle.y)} ${px(b.x)} ${px(b.y)}`;
    this.over.replaceChildren(
      s("path", { class: "blocking", d: curve }),
      ring(b, to), ring(a, from),
      s("g", { class: "blocking-words", transform: `translate(${px(x)} ${px(at)})` },
        s("rect", { x: -width / 2, y: -12, width, height: 24, rx: 12 }),
        s("text", { y: 4.5, text: words })));
  }
}

/** Blocks whose rows interleave get different lanes, so that what joins their parts does not coincide. */
function lanesOf(blocks) {
  const busy = [];
  const split = ({ rows }) => Math.max(...rows) - Math.min(...rows) >= rows.length;
  const spans = blocks.map((block, k) => ({ k, block, from: Math.min(...block.rows), to: Math.max(...block.rows) }))
    .filter(({ block }) => split(block));
  const lanes = new Array(blocks.length).fill(0);
  for (const { k, from, to } of spans.sort((a, b) => a.from - b.from)) {
    const free = busy.findIndex((until) => until < from);
    lanes[k] = free < 0 ? busy.length : free;
    busy[lanes[k]] = to;
  }
  return lanes;
}

/** What a screen reader says of a lump. */
export function lumpWords(picture, lump) {
  const { program, order } = picture;
  const list = (values) => values.slice(0, 6).map((value) => program.names[value]).join(", ") +
    (values.length > 6 ? " and others" : "");
  const cost = lump.operations === null ? "" : `, ${plural(lump.operations, "operation")}`;
  const rows = lump.stop - lump.start === 1 ? `row ${lump.stop}` : `rows ${lump.start + 1} to ${lump.stop}`;
  return `lump ${lump.index + 1} of ${order.lumps.length}: l = ${lump.size}, ${rows}${cost}; ` +
    `consumes ${list(lump.consumed)}; produces ${list(lump.produced)}`;
}

/** The labels of the registers and of the profile, above everything. */
export function headOf(frame, order) {
  const every = Math.ceil(22 / Math.max(8, frame.xs.length > 1 ? frame.xs[1] - frame.xs[0] : 40));
  const registers = frame.xs.filter((_, k) => k % every === 0).map((x, k) =>
    s("text", { x: px(x), y: 15, class: "math" }, ...nameSpans(`r${k * every + 1}`)));
  return [s("g", { "clip-path": "url(#beside-row)" },
    ...registers,
    s("text", { x: px(frame.profile), y: 15 },
      s("tspan", { class: "math", text: "n" }), s("tspan", { text: ` = ${order.n}` })),
    s("text", { x: frame.label, y: 15, class: "start", text: "lumps" })),
  s("g", { class: "margin" }, s("text", { x: 46, y: 15, class: "number", text: "row" })),
  ];
}
