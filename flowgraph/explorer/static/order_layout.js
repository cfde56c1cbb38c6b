/** Where everything of the order drawing stands: pure geometry, in px, with no element in sight. */

import { nameWidth } from "./dom.js";

const GRIP = 20;
const NUMBER = 34;
const CHARACTER = 7.25;
/** Between the code and the graph; the brackets of blocks stand there. */
const GUTTER = 22;
const RADIUS = 11;
const DOT = 3.2;
const HEAD = 6;
const LEAST = 24;
const NARROW = 560;
/** Characters of code, at most. */
const MOST = 40;
/** Least characters of code, depth of the profile, width of the words on lumps, gaps: the widest that fits is taken. */
const SIZES = [[MOST, 60, 112, 24], [28, 60, 112, 24], [22, 44, 96, 22], [17, 36, 92, 18], [12, 26, 60, 13]];

/**
 * @typedef {Object} Frame
 * @property {number} pitch distance of rows
 * @property {number} top y of row 0
 * @property {number} code x of the code
 * @property {number} characters how many characters of code are shown
 * @property {number[]} xs x of each register
 * @property {number} margin right edge of the row's number and code, which stay when the graph is scrolled
 * @property {number} left left edge of the graph
 * @property {number} right right edge of the graph
 * @property {number} profile x of the line w = n
 * @property {number} unit px between widths w and w + 1
 * @property {number} label x of the words on the lumps
 * @property {boolean} short whether there is little room for them
 * @property {number} width
 * @property {number} height
 */

/**
 * @param {Object} program
 * @param {Object} order
 * @param {number} available width that may be filled
 * @param {number} pitch
 * @returns {Frame}
 */
export function frameOf(program, order, available, pitch) {
  const longest = program.code.reduce((most, text) => Math.max(most, text.length), 8);
  const halves = halfWidths(program, order);
  const spans = halves.slice(1).map((half, k) => Math.max(LEAST, halves[k] + half + 5));
  const above = Math.max(1, Math.max(...order.widths) - order.n);
  const below = Math.max(0, order.n - Math.min(...order.widths));
  const graph = halves[0] + spans.reduce((sum, span) => sum + span, 0) + halves.at(-1);
  // Where room is short the code gives way first, then the profile and the words on the lumps. What cannot fit is
  // scrolled to, and then nothing has to be cut short.
  const sizes = SIZES.map(([most, ...rest]) => [Math.min(most, longest), ...rest]);
  const fitting = sizes.find((size) => needed(graph, ...size) <= available);
  const [least, deep, label, gap] = fitting ?? sizes[available < NARROW ? 4 : 2];
  const unit = Math.min(12, deep / (above + below));
  const free = available - needed(graph, least, (above + below) * unit, label, gap);
  const characters = Math.min(longest, MOST, least + Math.max(0, Math.floor((0.6 * free) / CHARACTER)));
  const start = GRIP + NUMBER + characters * CHARACTER + GUTTER;
  const room = free - (characters - least) * CHARACTER;
  const share = Math.max(0, Math.min(room, 26 * (spans.length + 2))) / (spans.length + 2);
  const xs = [start + halves[0] + share];
  for (const span of spans) xs.push(xs.at(-1) + span + share);
  const profile = xs.at(-1) + halves.at(-1) + gap + share + below * unit;
  const words = profile + above * unit + gap + 4;
  return {
    pitch, top: 30, code: GRIP + NUMBER, characters, xs, margin: start - GUTTER + 6,
    left: start - 6, right: xs.at(-1) + halves.at(-1) + 5,
    profile, unit, label: words, short: label < 90,
    width: Math.max(words + label, available), height: 30 + order.steps.length * pitch + pitch / 2 + 26,
  };
}

function needed(graph, characters, deep, label, gap) {
  return GRIP + NUMBER + characters * CHARACTER + GUTTER + graph + deep + 2 * gap + 4 + label;
}

/** Half the width that the widest name in each register takes. */
function halfWidths(program, order) {
  const halves = new Array(Math.max(1, order.columns)).fill(RADIUS);
  order.place.forEach((register, value) => {
    if (register >= 0) halves[register] = Math.max(halves[register], halfWidth(program.names[value]));
  });
  return halves;
}

/** Half the width of the outline around a name. */
export function halfWidth(name) {
  return Math.max(RADIUS, nameWidth(name) / 2 + 6);
}

/** y of a row. */
export function yOf(frame, row) {
  return frame.top + row * frame.pitch;
}

/** The row nearest to a height, between 0 and the last. */
export function rowAt(frame, y, last) {
  return Math.max(0, Math.min(last, Math.round((y - frame.top) / frame.pitch)));
}

/** For each value the steps that read it. */
export function readersOf(program) {
  const readers = Array.from(program.names, () => []);
  program.args.forEach((values, step) => values.forEach((value) => readers[value].push(step)));
  return readers;
}

/**
 * Which values run down a register past which rows: entry r - first holds the values that are there before row r and
 * after it as well.
 */
export function carriedPast(order, first, last) {
  const rows = Array.from({ length: Math.max(0, last - first + 1) }, () => []);
  const { rows: born, last: until, place } = order;
  for (let value = 0; value < born.length; value++) {
    if (born[value] < 0 || place[value] < 0) continue;
    const stop = Math.min(until[value] - 1, last);
    for (let row = Math.max(born[value] + 1, first); row <= stop; row++) rows[row - first].push(value);
  }
  return rows;
}

/** The path of the grey lines that end in a row, drawn from that row. */
export function carryPath(frame, program, order, row, values) {
  let path = "";
  for (const value of values) {
    const x = frame.xs[order.place[value]];
    const above = order.rows[value] === row - 1 ? RADIUS : 0;
    path += `M${px(x)} ${px(above - frame.pitch)}V0`;
  }
  return path;
}

/**
 * The arrows of a step, drawn from its row: from each argument in the row above to the result.
 * @returns {{value: number, line: string, head: string, dot: string}[]}
 */
export function edgesOf(frame, program, order, step) {
  const result = program.n + step;
  const row = order.rows[result];
  if (order.place[result] < 0 || row < 0) return [];
  const target = frame.xs[order.place[result]];
  const round = halfWidth(program.names[result]);
  return program.args[step].filter((value) => order.place[value] >= 0).map((value) => {
    const source = frame.xs[order.place[value]];
    const fresh = order.rows[value] === row - 1;
    const dx = target - source;
    const dy = frame.pitch;
    const length = Math.hypot(dx, dy);
    const [ux, uy] = [dx / length, dy / length];
    const before = fresh ? rim(ux, uy, halfWidth(program.names[value])) : DOT;
    const after = rim(ux, uy, round) + 1.5;
    const tip = [target - ux * after, -uy * after];
    const base = [tip[0] - ux * HEAD, tip[1] - uy * HEAD];
    const wing = HEAD * 0.42;
    return {
      value,
      line: `M${px(source + ux * before)} ${px(-dy + uy * before)}L${px(base[0])} ${px(base[1])}`,
      head: `M${px(tip[0])} ${px(tip[1])}L${px(base[0] - uy * wing)} ${px(base[1] + ux * wing)}` +
        `L${px(base[0] + uy * wing)} ${px(base[1] - ux * wing)}Z`,
      // A line of no length with round ends is a dot, and many dots are one path.
      dot: fresh ? "" : `M${px(source)} ${px(-dy)}h0`,
    };
  });
}

/** Where a ray from the middle of a name leaves its outline, taken for an ellipse. */
function rim(ux, uy, half) {
  return 1 / Math.hypot(ux / half, uy / RADIUS);
}

/** Arrow down from (x, y) of a length, with its head: for inputs and outputs. */
export function stub(x, from, to) {
  return {
    line: `M${px(x)} ${px(from)}V${px(to - HEAD + 1)}`,
    head: `M${px(x)} ${px(to)}l${px(-HEAD * 0.42)} ${-HEAD}h${px(HEAD * 0.84)}z`,
  };
}

/** The steps of the profile between two rows: its area over the line w = n, and its outline. */
export function profilePaths(frame, order, first, last) {
  const x = (time) => px(frame.profile + (order.widths[time] - order.n) * frame.unit);
  const end = order.widths.length - 1;
  let line = "";
  for (let time = first; time <= last; time++) {
    const bottom = yOf(frame, time) + (time === end ? frame.pitch / 2 : frame.pitch);
    line += `${line ? "H" : "M"}${x(time)}${line ? "" : ` ${px(yOf(frame, time))}`}V${px(bottom)}`;
  }
  return { line, area: line && `${line}H${px(frame.profile)}V${px(yOf(frame, first))}Z` };
}

/**
 * The value at a point of the graph, or −1.
 * @param {number} x
 * @param {number} y
 */
export function valueAt(frame, program, order, x, y) {
  let register = -1;
  let nearest = Infinity;
  frame.xs.forEach((centre, k) => {
    const distance = Math.abs(centre - x);
    if (distance < nearest) [nearest, register] = [distance, k];
  });
  const at = (y - frame.top) / frame.pitch;
  const row = Math.round(at);
  let found = -1;
  for (let value = 0; value < order.rows.length; value++) {
    const born = order.rows[value];
    if (order.place[value] !== register || born < 0) continue;
    if (born === row && Math.abs(at - row) * frame.pitch <= RADIUS + 2) {
      return nearest <= halfWidth(program.names[value]) + 2 ? value : -1;
    }
    if (nearest <= 6 && born <= at && at <= order.last[value] - 1 + 0.4) found = value;
  }
  return found;
}

/** The values on paths from some values to some others: for a certificate, all that runs through its cut. */
export function between(program, sources, targets) {
  const after = new Set(sources);
  program.args.forEach((values, step) => {
    if (values.some((value) => after.has(value))) after.add(program.n + step);
  });
  const before = new Set(targets);
  for (let step = program.T - 1; step >= 0; step--) {
    if (before.has(program.n + step)) for (const value of program.args[step]) before.add(value);
  }
  return new Set([...after].filter((value) => before.has(value)));
}

/** Rows of a block as runs of neighbours: [[first, last], ...]. */
export function runsOf(rows) {
  const runs = [];
  for (const row of [...rows].sort((a, b) => a - b)) {
    if (runs.length && runs.at(-1)[1] === row - 1) runs.at(-1)[1] = row;
    else runs.push([row, row]);
  }
  return runs;
}

/** One decimal is enough on a screen, and short paths are parsed faster. */
export function px(number) {
  return String(Math.round(number * 10) / 10);
}
