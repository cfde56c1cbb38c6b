/**
 * Draws a scene, the paper-like drawing of a graph that Python lays out, as SVG, and glides from one scene to the next.
 *
 * A scene is data: lines, curves, circles and labels in points, y downward, with the outlines of every text beside it.
 * Items are told apart by their keys, so a vertex that both scenes have moves, and one that only one has fades.
 */

import { s as svgNode } from "./dom.js";

const HEAD_LENGTH = 4.2;
const HEAD_WIDTH = 3.0;
const NOTCH = 0.75;
const DURATION = 220;
/** Pixels to the point, unless somebody sets the width afterwards. */
const SCALE = 1.5;
/** Above this many items a glide would stutter, and nobody could follow it. */
const MOST_MOVED = 1600;
/** With more changed edges than this, marks on each of them would hide the drawing. */
const MOST_MARKED = 14;

/**
 * @typedef {{x1: number, y1: number, x2: number, y2: number, arrow: boolean, ink: string, width: number, key: string}}
 *   SceneLine
 * @typedef {{points: number[][], arrow: boolean, ink: string, width: number, key: string}} SceneCurve
 * @typedef {{cx: number, cy: number, r: number, stretch: number, visible: boolean, filled: boolean, ink: string,
 *   width: number, key: string}} SceneCircle
 * @typedef {{x: number, y: number, text: string, size: number, ink: string, title: string, host: string}} SceneLabel
 * @typedef {{box: number[], ink: string, key: string}} SceneBand
 * @typedef {{width: number, height: number, title: string, glyphs: Object<string, {d: string}>, bands: SceneBand[],
 *   lines: SceneLine[], curves: SceneCurve[], circles: SceneCircle[], labels: SceneLabel[]}} Scene
 * @typedef {{added?: string[], removed?: string[], relabelled?: string[], turned?: string[], gone?: string[],
 *   site?: string[]}} Marks keys of what to mark; `gone` and `site` are vertices.
 * @typedef {[number, number]} Point
 */

/** Whether the person asked for less motion. */
export function prefersStill() {
  return window.matchMedia?.("(prefers-reduced-motion: reduce)").matches ?? false;
}

// -- plane geometry ---------------------------------------------------------------------------------------------------

const text = (x) => String(Math.round(x * 100) / 100);
const pair = (p) => `${text(p[0])} ${text(p[1])}`;
const along = (p, q, t) => [p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])];
const dist = (p, q) => Math.hypot(p[0] - q[0], p[1] - q[1]);

/** The point of one cubic at t. */
function bezier([a, b, c, d], t) {
  const s = 1 - t;
  const [wa, wb, wc, wd] = [s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t];
  return [wa * a[0] + wb * b[0] + wc * c[0] + wd * d[0], wa * a[1] + wb * b[1] + wc * c[1] + wd * d[1]];
}

/** The first part of a cubic cut at t, by de Casteljau's construction. */
function firstPart([a, b, c, d], t) {
  const [ab, bc, cd] = [along(a, b, t), along(b, c, t), along(c, d, t)];
  const [abc, bcd] = [along(ab, bc, t), along(bc, cd, t)];
  return [a, ab, abc, along(abc, bcd, t)];
}

/** The point of a line or of a chain of cubics at a part of its parameter. */
function pointAt(points, t) {
  if (points.length === 2) return along(points[0], points[1], t);
  const pieces = (points.length - 1) / 3;
  const k = Math.min(pieces - 1, Math.floor(t * pieces));
  return bezier(points.slice(3 * k, 3 * k + 4), t * pieces - k);
}

/** An arrowhead: tip, one barb, rear notch, the other barb. */
function head(points) {
  const tip = points.at(-1);
  let back = points[0];
  if (points.length > 2) {
    // The chord over the head's own length, so that the head lies on a curve that bends beneath it.
    const piece = points.slice(-4);
    back = piece[0];
    for (let k = 1; k <= 32; k += 1) {
      const p = bezier(piece, 1 - k / 32);
      if (dist(p, tip) >= HEAD_LENGTH * 0.8) {
        back = p;
        break;
      }
    }
  }
  const length = dist(tip, back) || 1;
  const [ux, uy] = [(back[0] - tip[0]) / length, (back[1] - tip[1]) / length];
  const [bx, by] = [tip[0] + ux * HEAD_LENGTH, tip[1] + uy * HEAD_LENGTH];
  const half = HEAD_WIDTH / 2;
  const notch = [tip[0] + ux * HEAD_LENGTH * NOTCH, tip[1] + uy * HEAD_LENGTH * NOTCH];
  return [tip, [bx - uy * half, by + ux * half], notch, [bx + uy * half, by - ux * half]];
}

/** The points of the stroke: without the part that the arrowhead covers. */
function shaft(points, arrow) {
  if (!arrow) return points;
  if (points.length === 2) return [points[0], head(points)[2]];
  const tip = points.at(-1);
  const piece = points.slice(-4);
  const covered = HEAD_LENGTH * NOTCH;
  if (dist(piece[0], tip) <= covered) return points;
  let [inner, outer] = [1, 0];
  for (let k = 0; k < 20; k += 1) {
    const middle = (inner + outer) / 2;
    if (dist(bezier(piece, middle), tip) > covered) outer = middle;
    else inner = middle;
  }
  return [...points.slice(0, -4), ...firstPart(piece, outer)];
}

function pathOf(points) {
  if (points.length === 2) return `M${pair(points[0])}L${pair(points[1])}`;
  let d = `M${pair(points[0])}`;
  for (let k = 1; k < points.length; k += 3) d += `C${points.slice(k, k + 3).map(pair).join(" ")}`;
  return d;
}

/** A straight line as a chain of `pieces` cubics. */
function lifted(points, pieces) {
  return Array.from({ length: 3 * pieces + 1 }, (_, k) => along(points[0], points[1], k / (3 * pieces)));
}

/** Two paths with as many control points each, or null. */
function aligned(from, to) {
  if (from.length === to.length) return [from, to];
  if (from.length === 2) return [lifted(from, (to.length - 1) / 3), to];
  if (to.length === 2) return [from, lifted(to, (from.length - 1) / 3)];
  return null;
}

// -- items ------------------------------------------------------------------------------------------------------------

/** Every item of a scene by an id that is the same in every scene where the item is. */
function itemsOf(scene) {
  const items = new Map();
  const add = (kind, name, data, geometry) => {
    let id = `${kind}:${name}`;
    for (let k = 1; items.has(id); k += 1) id = `${kind}:${name}#${k}`;
    items.set(id, { id, kind, data, geometry });
  };
  for (const band of scene.bands ?? []) add("band", band.key, band, [band.box.slice(0, 2), band.box.slice(2)]);
  for (const line of scene.lines) {
    add("edge", line.key, line, [
      [line.x1, line.y1],
      [line.x2, line.y2],
    ]);
  }
  for (const curve of scene.curves) add("edge", curve.key, curve, curve.points);
  for (const circle of scene.circles) {
    add("vertex", circle.key, circle, [
      [circle.cx, circle.cy],
      [circle.r, circle.stretch],
    ]);
  }
  for (const label of scene.labels) {
    const name = label.host ? `${label.host}:name` : label.text;
    add("label", name, { ...label, d: scene.glyphs[label.text]?.d ?? "" }, [
      [label.x, label.y],
      [label.size, 0],
    ]);
  }
  return items;
}

const ends = (item) => item.data.key.split(" -> ");

/**
 * For edges that are only in the new scene, the edge of the old scene that they come from: the one between merged
 * vertices, the same one turned round, or one that lost an end.
 */
function origins(old, fresh, merge) {
  const found = new Map();
  const lost = new Map();
  for (const item of old.values()) if (item.kind === "edge" && !fresh.has(item.id)) lost.set(item.id, item);
  const added = [...fresh.values()].filter((item) => item.kind === "edge" && !old.has(item.id));
  const take = (item, id, turned) => {
    const origin = lost.get(id);
    if (!origin) return false;
    lost.delete(id);
    found.set(item.id, { id, geometry: turned ? [...origin.geometry].reverse() : origin.geometry });
    return true;
  };
  const merged = (key) => merge.get(key) ?? key;
  for (const item of added) {
    const [source, target] = ends(item);
    if (take(item, `edge:${target} -> ${source}`, true)) continue;
    const twin = [...lost.values()].find((other) => {
      const [s, t] = ends(other);
      return merged(s) === merged(source) && merged(t) === merged(target);
    });
    if (twin) take(item, twin.id, false);
  }
  if (added.length <= MOST_MARKED) {
    for (const item of added) {
      if (found.has(item.id)) continue;
      const [source, target] = ends(item);
      const twin = [...lost.values()].find((other) => ends(other)[0] === source || ends(other)[1] === target);
      if (twin) take(item, twin.id, false);
    }
  }
  return found;
}

// -- the view ---------------------------------------------------------------------------------------------------------

const INKS = new Set(["ink", "muted", "ghost", "pale"]);
const inkOf = (ink) => (INKS.has(ink) ? ink : "ink");
const ease = (t) => 1 - (1 - t) ** 3;

/** One drawing, which can be replaced by another one. */
export class SceneView {
  #layers;
  #title = svgNode("title");
  #description = svgNode("desc");
  /** @type {Map<string, {item: object, group: SVGElement, now: Point[], from: Point[]|null, to: Point[]|null,
   *   fade: [number, number]|null, leaving: boolean, marked: boolean}>} */
  #drawn = new Map();
  #frame = 0;
  #begun = 0;

  /** @param {{label?: string}} [options] `label`: what screen readers say before the scene's own title. */
  constructor({ label = "" } = {}) {
    this.label = label;
    /** @type {Scene|null} */
    this.scene = null;
    const layer = (name) => svgNode("g", { class: `layer-${name}` });
    this.#layers = { band: layer("bands"), edge: layer("edges"), vertex: layer("vertices"), label: layer("labels") };
    this.element = svgNode("svg", { class: "scene", role: "img" }, this.#title, this.#description);
    this.element.append(...Object.values(this.#layers));
  }

  /**
   * Show a scene.
   * @param {Scene} scene
   * @param {{marks?: Marks, animate?: boolean, merge?: Map<string, string>, values?: Object<string, number>|null}}
   *   [options] `merge`: vertices that one of two scenes has, and the one they are merged into; `values`: numbers at
   *   vertices, told where one points at them.
   */
  show(scene, { marks = {}, animate = false, merge = new Map(), values = null } = {}) {
    const fresh = itemsOf(scene);
    const moving = animate && this.scene !== null && fresh.size < MOST_MOVED && !prefersStill();
    this.#settle(moving);
    const old = new Map([...this.#drawn].map(([id, drawn]) => [id, { ...drawn.item, geometry: drawn.now }]));
    const from = moving ? origins(old, fresh, merge) : new Map();
    this.#remove(fresh, from, merge, moving);
    for (const item of fresh.values()) this.#place(item, from.get(item.id), old, merge, moving);
    this.#page(scene, marks);
    this.#mark(marks, values);
    if (moving) this.#start();
  }

  /** Where some vertices are on the drawing, in points: left, top, right, bottom; null where there are none. */
  boundsOf(keys) {
    const wanted = new Set(keys);
    const circles = (this.scene?.circles ?? []).filter((circle) => wanted.has(circle.key));
    if (circles.length === 0) return null;
    return [
      Math.min(...circles.map((c) => c.cx - c.r - c.stretch)),
      Math.min(...circles.map((c) => c.cy - c.r)),
      Math.max(...circles.map((c) => c.cx + c.r + c.stretch)),
      Math.max(...circles.map((c) => c.cy + c.r)),
    ];
  }

  /** Show nothing. */
  clear() {
    this.#settle(false);
    for (const drawn of this.#drawn.values()) drawn.group.remove();
    this.#drawn.clear();
    this.scene = null;
  }

  /** End what moves: where it stands if something else is to move from there, else where it was going. */
  #settle(halfway) {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    for (const [id, drawn] of this.#drawn) {
      if (drawn.leaving) {
        drawn.group.remove();
        this.#drawn.delete(id);
        continue;
      }
      if (!halfway && drawn.to) this.#put(drawn, drawn.item.geometry);
      drawn.group.style.opacity = "";
      drawn.to = null;
      drawn.fade = null;
    }
  }

  #remove(fresh, from, merge, moving) {
    const taken = new Set([...from.values()].map((origin) => origin.id));
    for (const [id, drawn] of [...this.#drawn]) {
      if (fresh.has(id)) continue;
      this.#drawn.delete(id);
      if (!moving || taken.has(id)) {
        drawn.group.remove();
        continue;
      }
      const host = drawn.item.kind === "vertex" ? drawn.item.data.key : drawn.item.data.host;
      const goal = host && merge.has(host) ? this.#goal(drawn.item, merge.get(host), fresh) : null;
      drawn.from = drawn.now;
      drawn.to = goal ?? drawn.now;
      drawn.fade = [1, 0];
      drawn.leaving = true;
      this.#drawn.set(`${id}|leaving`, drawn);
    }
  }

  /** Where the outline or the name of a vertex goes that is merged into another one. */
  #goal(item, into, others) {
    const vertex = others.get(`vertex:${into}`);
    const own = item.kind === "vertex" ? vertex : others.get(`label:${into}:name`);
    return own?.geometry.length === item.geometry.length ? own.geometry : null;
  }

  #place(item, origin, old, merge, moving) {
    let drawn = this.#drawn.get(item.id);
    const stays = drawn !== undefined;
    const kept = stays && sameLook(drawn.item, item) ? drawn.item : null;
    if (!drawn) {
      drawn = { item, group: this.#create(item), now: item.geometry, from: null, to: null, fade: null };
      Object.assign(drawn, { leaving: false, marked: false });
      this.#drawn.set(item.id, drawn);
      this.#layers[item.kind].append(drawn.group);
    } else if (!kept) {
      const group = this.#create(item);
      drawn.group.replaceWith(group);
      drawn.group = group;
      drawn.marked = false;
    }
    const still = stays && same(drawn.now, item.geometry) && drawn.item === kept;
    drawn.item = item;
    if (still) return;
    let start = stays ? drawn.now : (origin?.geometry ?? null);
    if (!start && moving) {
      const host = item.kind === "vertex" ? item.data.key : item.data.host;
      if (host && merge.has(host)) start = this.#goal(item, merge.get(host), old);
      drawn.fade = [0, 1];
    }
    const paths = moving && start ? aligned(start, item.geometry) : null;
    if (paths) {
      [drawn.from, drawn.to] = paths;
      this.#put(drawn, drawn.from);
    } else {
      this.#put(drawn, item.geometry);
    }
    if (drawn.fade) drawn.group.style.opacity = "0";
  }

  #page(scene, marks) {
    this.scene = scene;
    this.element.setAttribute("viewBox", `0 0 ${text(scene.width)} ${text(scene.height)}`);
    this.element.style.width = `${text(scene.width * SCALE)}px`;
    this.element.style.aspectRatio = `${text(scene.width)} / ${text(scene.height)}`;
    const title = this.label ? `${this.label}: ${scene.title}` : scene.title;
    this.#title.textContent = title;
    this.element.setAttribute("aria-label", title);
    this.#description.textContent = describe(scene, marks);
  }

  #create({ kind, data }) {
    const group = svgNode("g", { class: `item is-${kind}`, "data-ink": inkOf(data.ink) });
    if (data.key) group.setAttribute("data-key", data.key);
    if (kind === "band") group.append(svgNode("rect", { class: "area" }));
    if (kind === "edge") {
      const hint = svgNode("title");
      hint.textContent = data.key.replace(" -> ", " → ");
      group.append(hint, svgNode("path", { class: "hit" }), svgNode("path", { class: "stroke" }));
      group.lastChild.setAttribute("stroke-width", text(data.width));
      if (data.arrow) group.append(svgNode("path", { class: "area" }));
    }
    if (kind === "vertex" && (data.visible || data.filled)) {
      const shape = svgNode("rect", { class: data.filled ? "area" : "stroke paper" });
      if (!data.filled) shape.setAttribute("stroke-width", text(data.width));
      group.append(shape);
    }
    if (kind === "label") {
      const hint = svgNode("title");
      hint.textContent = data.title;
      group.append(hint, svgNode("path", { class: "area", d: data.d }));
    }
    return group;
  }

  /** Draw an item at a geometry. */
  #put(drawn, geometry) {
    drawn.now = geometry;
    const { group, item } = drawn;
    if (item.kind === "edge") {
      const line = pathOf(shaft(geometry, item.data.arrow));
      for (const path of group.querySelectorAll(".stroke, .hit, .halo")) path.setAttribute("d", line);
      if (item.data.arrow) {
        group.querySelector(".area").setAttribute("d", `M${head(geometry).map(pair).join("L")}Z`);
      }
      const mark = group.querySelector(".sign");
      if (mark) mark.setAttribute("transform", `translate(${pair(pointAt(geometry, 0.3))})`);
    } else if (item.kind === "label") {
      const [[x, y], [size]] = geometry;
      const glyphs = group.querySelector(".area");
      glyphs.setAttribute("transform", `translate(${pair([x, y])}) scale(${Math.round(size * 1e3) / 1e4})`);
    } else {
      for (const shape of group.querySelectorAll("rect")) placeBox(shape, item.kind, geometry);
      const mark = group.querySelector(".sign");
      const [[x, y], [r, stretch]] = geometry;
      if (mark) mark.setAttribute("transform", `translate(${pair([x + stretch + r * 0.9 + 1, y - r * 0.9 - 1])})`);
    }
  }

  /** Put halos, rings and signs on what changed. Every kind has its own shape: colour alone tells nothing. */
  #mark(marks, values) {
    const kinds = new Map();
    for (const kind of ["site", "relabelled", "turned", "added", "removed", "gone"]) {
      for (const key of marks[kind] ?? []) kinds.set(key, [...(kinds.get(key) ?? []), kind]);
    }
    const edges = ["relabelled", "turned", "added", "removed"].map((kind) => marks[kind]?.length ?? 0);
    const many = edges.reduce((a, b) => a + b) > MOST_MARKED;
    for (const drawn of this.#drawn.values()) {
      if (drawn.leaving || drawn.item.kind === "band" || drawn.item.kind === "label") continue;
      const own = kinds.get(drawn.item.data.key) ?? [];
      if (drawn.marked) {
        for (const extra of drawn.group.querySelectorAll(".halo, .outer-ring, .sign")) extra.remove();
        drawn.group.setAttribute("class", `item is-${drawn.item.kind}`);
      }
      drawn.marked = own.length > 0;
      if (drawn.marked) this.#decorate(drawn, own, many);
      if (drawn.item.kind === "vertex" && values) this.#tell(drawn, values);
    }
  }

  #decorate(drawn, own, many) {
    const { group, item } = drawn;
    group.classList.add(...own);
    if (item.kind === "edge") {
      const stroke = group.querySelector(".stroke");
      if (!many) stroke.before(svgNode("path", { class: "halo" }));
      if (own.includes("relabelled") && !many) stroke.after(svgNode("path", { class: "halo core" }));
    } else {
      group.prepend(svgNode("rect", { class: "outer-ring" }));
    }
    const sign = own.includes("added") ? "+" : own.includes("removed") || own.includes("gone") ? "×" : "";
    const roomy = item.kind === "vertex" || dist(drawn.item.geometry[0], drawn.item.geometry.at(-1)) > 16;
    if (sign && !many && roomy) group.append(signNode(sign));
    this.#put(drawn, drawn.now);
  }

  #tell(drawn, values) {
    const { key } = drawn.item.data;
    const name = this.#drawn.get(`label:${key}:name`);
    if (name && key in values) name.group.querySelector("title").textContent = `${key} = ${values[key]}`;
  }

  #start() {
    this.#begun = performance.now();
    const tick = (time) => {
      const t = Math.min(1, Math.max(0, (time - this.#begun) / DURATION));
      if (t >= 1) {
        this.#settle(false);
        return;
      }
      this.#step(ease(t));
      this.#frame = requestAnimationFrame(tick);
    };
    this.#frame = requestAnimationFrame(tick);
  }

  #step(t) {
    for (const drawn of this.#drawn.values()) {
      if (drawn.fade) drawn.group.style.opacity = String(drawn.fade[0] + t * (drawn.fade[1] - drawn.fade[0]));
      if (drawn.to && drawn.to !== drawn.from) {
        this.#put(drawn, drawn.from.map((p, k) => along(p, drawn.to[k], t)));
      }
    }
  }
}

function placeBox(shape, kind, geometry) {
  let [[left, top], [right, bottom]] = geometry;
  let radius = 0;
  if (kind === "vertex") {
    const [[x, y], [r, stretch]] = geometry;
    radius = r + (shape.classList.contains("outer-ring") ? 2.4 : 0);
    [left, top, right, bottom] = [x - stretch - radius, y - radius, x + stretch + radius, y + radius];
  }
  shape.setAttribute("x", text(left));
  shape.setAttribute("y", text(top));
  shape.setAttribute("width", text(right - left));
  shape.setAttribute("height", text(bottom - top));
  shape.setAttribute("rx", text(radius));
}

/** A small disc with a plus or a cross. */
function signNode(sign) {
  const d = sign === "+" ? "M-1.7 0H1.7M0 -1.7V1.7" : "M-1.3 -1.3L1.3 1.3M-1.3 1.3L1.3 -1.3";
  return svgNode("g", { class: "sign" }, svgNode("circle", { r: 3.1 }), svgNode("path", { d }));
}

const LOOKS = ["ink", "width", "arrow", "visible", "filled", "d", "title"];

/** Whether two items with one id differ in their places at most. */
function sameLook(a, b) {
  return LOOKS.every((name) => a.data[name] === b.data[name]);
}

function same(a, b) {
  return a === b || (a.length === b.length && a.every((p, k) => p[0] === b[k][0] && p[1] === b[k][1]));
}

/** What a scene shows, in words. */
function describe(scene, marks) {
  const edges = [...scene.lines, ...scene.curves].map((edge) => edge.key).filter((key) => key.includes(" -> "));
  const most = 60;
  const list = edges.slice(0, most).map((key) => key.replace(" -> ", " to ")).join(", ");
  const words = {
    added: "added",
    removed: "removed",
    relabelled: "with a new label",
    turned: "turned round",
    gone: "gone",
    site: "at the site",
  };
  const changes = Object.entries(words)
    .filter(([kind]) => marks[kind]?.length)
    .map(([kind, word]) => `${word}: ${marks[kind].slice(0, most).join(", ")}`);
  const count = scene.circles.filter((circle) => circle.key).length;
  return [`${count} vertices. Edges: ${list}${edges.length > most ? ", and more" : ""}.`, ...changes].join(" ");
}
