// What tests of the explorer look for in a page: where the focus is, what is cut off, covered or hard to read.

const ROOT = document.querySelector("#explorer").shadowRoot;

window.focusOf = () => {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element;
};
window.looksOf = (element) => {
  const above = [element.parentElement, element.parentElement?.parentElement];
  const around = [element, ...above, ...element.querySelectorAll("*")];
  if (element.matches("[type=file], [type=range], [type=radio]")) around.push(...(element.labels ?? []));
  if (element.nextElementSibling) around.push(element.nextElementSibling);
  return around.filter(Boolean).slice(0, 40).map((each) => {
    const look = getComputedStyle(each);
    const outline = look.outlineStyle === "none" ? "" : `${look.outlineWidth} ${look.outlineColor}`;
    return [outline, look.boxShadow, look.stroke, look.strokeWidth].join("/");
  }).join();
};
window.nameOf = (element) => {
  const { testid, step, index, name } = element.dataset;
  const words = element.getAttribute("aria-label") || element.textContent.trim().slice(0, 30) || element.value;
  const kind = element.type === "radio" ? "radio" : "";
  return [element.localName, testid, step, index, name, kind, words].join(" ").trim();
};
/** Whether arrows lead to it from its neighbour, which Tab reaches. */
const isRoving = (each) => each.matches("[role=tab][aria-selected=false], [type=radio]:not(:checked)");

/** What Tab must reach: all controls, whatever they say of themselves, and all else that can have the focus. */
window.tabbable = () => [...ROOT.querySelectorAll(
  "button, input, select, textarea, summary, a[href], [tabindex]:not([tabindex='-1'])")].filter((each) =>
    !each.disabled && each.checkVisibility({ visibilityProperty: true }) && !each.closest("[inert]") &&
    !isRoving(each));

/** Moves on: what has the focus now, and what had it before where it looks the same without it. */
window.step = () => {
  const element = window.focusOf();
  const before = window.last ?? null;
  const changed = !before?.element.isConnected || before.element === element ||
    window.looksOf(before.element) !== before.looks;
  const told = before && !changed ? before.name : null;
  if (element === document.body || element === document.documentElement) {
    window.last = null;
    return [null, told];
  }
  window.last = { element, looks: window.looksOf(element), name: window.nameOf(element) };
  return [window.last.name, told];
};

/** What sticks out of the page. */
window.wide = () => {
  const page = document.scrollingElement;
  const told = [];
  if (page.scrollWidth > page.clientWidth) told.push(`the page: ${page.scrollWidth} of ${page.clientWidth}`);
  for (const each of ROOT.querySelectorAll("*")) {
    if (!each.checkVisibility({ visibilityProperty: true })) continue;
    if (each.closest("svg") && each.localName !== "svg") continue;
    const box = each.getBoundingClientRect();
    if (!box.width || box.right <= innerWidth + 0.5 && box.left >= -0.5) continue;
    let holder = each.parentElement;
    while (holder && getComputedStyle(holder).overflowX === "visible") holder = holder.parentElement;
    const inner = holder?.getBoundingClientRect();
    if (!inner || inner.right > innerWidth + 0.5) told.push(`${each.localName}.${each.className} to ${box.right}`);
  }
  return told;
};

/** Controls whose middle is covered by something else, wherever one scrolls. */
window.covered = () => {
  const told = [];
  for (const each of ROOT.querySelectorAll("button, input, select, textarea, summary, a[href]")) {
    if (!each.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    if (each.type === "file" || each.closest("dialog:not([open])")) continue;
    each.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
    const box = each.getBoundingClientRect();
    if (box.width < 2) continue;
    let at = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    while (at?.shadowRoot) {
      const inner = at.shadowRoot.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
      if (!inner || inner === at) break;
      at = inner;
    }
    const labels = [...(each.labels ?? [])];
    const fine = at && (each.contains(at) || at.contains(each) || labels.some((one) => one.contains(at)) ||
      each.matches(".slider"));
    const name = each.dataset.testid ?? each.textContent;
    if (!fine) told.push(`${each.localName} ${name} under ${at?.localName}.${at?.getAttribute("class")}`);
  }
  return told;
};

const isSticky = (each) => {
  for (let up = each; up; up = up.parentElement) if (getComputedStyle(up).position === "sticky") return true;
  return false;
};

/** Words that lie over other words. What stays in place while the rest scrolls beneath it is asked for by `covered`. */
window.overlaps = () => {
  const told = [];
  const kinds = "button, input, select, textarea, summary, h1, h2, h3, p, dt, dd, li, label, th, td";
  const apart = "dialog, .card, .toasts, .sr-only, .brand, .menu, .editor-page, .applications";
  const list = [...ROOT.querySelectorAll(kinds)]
    .filter((each) => each.checkVisibility({ visibilityProperty: true, opacityProperty: true }) &&
      !each.closest(apart) && each.textContent.trim() && !isSticky(each))
    .map((each) => [each, each.getBoundingClientRect()])
    .filter(([, box]) => box.width > 2 && box.height > 2);
  const clip = (each) => {
    let [left, top, right, bottom] = [0, 0, innerWidth, 1e6];
    for (let up = each.parentElement; up; up = up.parentElement) {
      if (getComputedStyle(up).overflowY === "visible") continue;
      const box = up.getBoundingClientRect();
      [left, top] = [Math.max(left, box.left), Math.max(top, box.top)];
      [right, bottom] = [Math.min(right, box.right), Math.min(bottom, box.bottom)];
    }
    return [left, top, right, bottom];
  };
  const seen = list.map(([each, box]) => {
    const [left, top, right, bottom] = clip(each);
    const near = [Math.max(left, box.left), Math.max(top, box.top)];
    return [each, ...near, Math.min(right, box.right), Math.min(bottom, box.bottom)];
  }).filter(([, left, top, right, bottom]) => right - left > 2 && bottom - top > 2);
  for (let a = 0; a < seen.length; a++) for (let b = a + 1; b < seen.length; b++) {
    const [one, l1, t1, r1, b1] = seen[a];
    const [other, l2, t2, r2, b2] = seen[b];
    if (one.contains(other) || other.contains(one)) continue;
    if (Math.min(r1, r2) - Math.max(l1, l2) > 2 && Math.min(b1, b2) - Math.max(t1, t2) > 2) {
      told.push([one, other].map((each) => `${each.localName} "${each.textContent.slice(0, 30)}"`).join(" and "));
    }
  }
  return told;
};

/** How many texts there are, and which have a contrast under 4.5 (WCAG 2.2). */
window.contrast = () => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const rgba = (colour) => {
    if (!known.has(colour)) {
      pen.clearRect(0, 0, 1, 1);
      pen.fillStyle = colour;
      pen.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
      known.set(colour, [r, g, b, a / 255]);
    }
    return known.get(colour);
  };
  const over = ([r, g, b, a], under) => [r, g, b].map((part, k) => part * a + under[k] * (1 - a));
  const light = (colour) => {
    const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = colour.map((part) => linear(part / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const opacity = (element) => {
    let all = 1;
    for (let up = element; up; up = up.parentElement) all *= Number(getComputedStyle(up).opacity);
    return all;
  };
  const ground = (element, x, y) => {
    const layers = [];
    for (let up = element; up; up = up.parentElement ?? up.getRootNode().host) {
      layers.push(rgba(getComputedStyle(up).backgroundColor));
      if (layers.at(-1)[3] === 1) break;
      if (up.ownerSVGElement) {
        // What an SVG paints before it, where it lies behind the words.
        const svg = up.ownerSVGElement;
        for (const shape of [...svg.querySelectorAll("rect, circle")].reverse()) {
          if (!(shape.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING)) continue;
          const box = shape.getBoundingClientRect();
          if (x < box.left || x > box.right || y < box.top || y > box.bottom || !shape.checkVisibility()) continue;
          const look = getComputedStyle(shape);
          const [r, g, b, a] = look.fill === "none" ? [0, 0, 0, 0] : rgba(look.fill);
          layers.push([r, g, b, a * Number(look.fillOpacity) * opacity(shape)]);
        }
        up = svg;
      }
    }
    return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255]);
  };
  const told = [];
  let count = 0;
  const check = (element, text, box, colour) => {
    const ink = rgba(colour);
    // The layer under the text field that measures how lines wrap is not painted.
    if (ink[3] === 0 && element.closest("[aria-hidden=true]")) return;
    const under = ground(element, box.x + box.width / 2, box.y + box.height / 2);
    const shown = over([...ink.slice(0, 3), ink[3] * opacity(element)], under);
    const [a, b] = [light(shown), light(under)];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    count++;
    const where = `${element.localName}.${element.getAttribute("class")}`;
    const colours = `${shown.map(Math.round)} on ${under.map(Math.round)}`;
    if (contrast < 4.5) told.push(`${contrast.toFixed(2)} "${text.trim().slice(0, 40)}" ${where} ${colours}`);
  };
  const isShown = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true }) &&
    !element.closest("title, style, .sr-only, :disabled, [aria-disabled=true]");
  // What stands in fields is no text of the document.
  for (const field of ROOT.querySelectorAll("textarea, select, [type=text], [type=search]")) {
    if (!isShown(field)) continue;
    const box = field.getBoundingClientRect();
    check(field, field.value, box, getComputedStyle(field).color);
    if (field.placeholder) check(field, field.placeholder, box, getComputedStyle(field, "::placeholder").color);
  }
  const walker = document.createTreeWalker(ROOT, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !isShown(element)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    const look = getComputedStyle(element);
    if (box.width >= 1) check(element, node.data, box, element.ownerSVGElement ? look.fill : look.color);
  }
  return [count, told];
};
