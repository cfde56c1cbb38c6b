/** A drawing with its heading, which scrolls and can be made larger. */

import { h } from "./dom.js";
import { SceneView } from "./scene.js";

const ZOOMS = [0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 2.5, 3.2];
/** Pixels to the point of a drawing for which there is room, and the least that can be read without leaning forward. */
const USUAL = 1.5;
/** The same for drawings that are seen whole all the same, and what stands above and below them, in px. */
const LARGE = 2;
const AROUND = 330;
const LEAST = 1;
/** What is left free over the beginning of a site, in px. */
const ABOVE = 24;

/** One of the two drawings, with its heading. */
export class Pane {
  constructor(name, heading) {
    this.view = new SceneView({ label: heading });
    this.view.element.setAttribute("data-testid", `scene-${name}`);
    this.scroller = h(
      "div",
      { class: "scene-scroller", tabindex: 0, role: "group", "aria-label": `${heading}: drawing` },
      this.view.element,
    );
    this.zoom = "auto";
    this.empty = h("p", { class: "nothing", hidden: true }, "nothing before the primal graph");
    this.caption = h("figcaption", {}, heading);
    this.element = h("figure", { class: `pane ${name}` }, this.caption, this.scroller, this.empty);
  }

  show(scene, options) {
    this.empty.hidden = scene !== null;
    this.scroller.hidden = scene === null;
    if (scene === null) {
      this.view.clear();
      return;
    }
    this.view.show(scene, options);
    this.resize(this.zoom);
  }

  clear() {
    this.empty.hidden = true;
    this.view.clear();
  }

  /** Pixels to the point, as it is drawn now. */
  scale() {
    return this.view.element.clientWidth / (this.view.scene?.width || 1) || USUAL;
  }

  /** "auto" (the usual size, smaller where there is no room for it), "fit" (all of it), or pixels to the point. */
  resize(zoom) {
    this.zoom = zoom;
    const { scene, element } = this.view;
    if (!scene) return;
    const fixed = typeof zoom === "number";
    const usual = scene.height * LARGE < window.innerHeight - AROUND ? LARGE : USUAL;
    element.style.width = `${scene.width * (fixed ? zoom : usual)}px`;
    element.style.maxWidth = fixed ? "none" : "100%";
    element.style.minWidth = zoom === "auto" ? `${scene.width * LEAST}px` : "0";
    element.style.maxHeight = zoom === "fit" ? `${this.scroller.clientHeight - 24}px` : "none";
  }

  /** Scroll the drawing, not the page, to some vertices. */
  reveal(keys, still) {
    const box = this.view.boundsOf(keys);
    if (!box || this.scroller.hidden) return;
    const { scroller } = this;
    const scale = this.scale();
    const inside = (low, high, start, size) => low >= start && high <= start + size;
    const [left, top, right, bottom] = box.map((x) => x * scale);
    if (
      inside(left, right, scroller.scrollLeft, scroller.clientWidth) &&
      inside(top, bottom, scroller.scrollTop, scroller.clientHeight)
    ) {
      return;
    }
    // Of what is larger than the window, its beginning.
    const place = (low, high, size) => (high - low > size ? low - ABOVE : (low + high - size) / 2);
    scroller.scrollTo({
      left: place(left, right, scroller.clientWidth),
      top: place(top, bottom, scroller.clientHeight),
      behavior: still ? "auto" : "smooth",
    });
  }
}

/** The next zoom up (1) or down (−1) from a scale. */
export function nextZoom(now, by) {
  const other = by > 0 ? ZOOMS.find((zoom) => zoom > now + 0.01) : ZOOMS.findLast((zoom) => zoom < now - 0.01);
  return other ?? now;
}

/** Both drawings share one page, so they scroll as one. */
export function linkScrolling(one, other) {
  let leader = null;
  const follow = (from, to) => () => {
    if (leader === to) {
      leader = null;
      return;
    }
    if (to.scrollLeft === from.scrollLeft && to.scrollTop === from.scrollTop) return;
    leader = from;
    to.scrollTo(from.scrollLeft, from.scrollTop);
  };
  one.addEventListener("scroll", follow(one, other), { passive: true });
  other.addEventListener("scroll", follow(other, one), { passive: true });
}
