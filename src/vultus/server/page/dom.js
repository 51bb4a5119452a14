// Elements are made here and nowhere else: what comes from outside becomes text, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with properties, listeners (`onclick`) and children; null children are left out. */
export function h(tag, props, ...children) {
  return filled(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function s(tag, props, ...children) {
  return filled(document.createElementNS(SVG, tag), props, children);
}

/** Replace what is in an element. */
export function show(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

function filled(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) set(element, name, value);
  for (const child of children.flat(Infinity)) {
    if (child != null && child !== false) element.append(child);
  }
  return element;
}

function set(element, name, value) {
  if (value == null || value === false) return;
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  // The style of an object is set by script, which the page's policy allows; an attribute is not.
  else if (name === "style") Object.assign(element.style, value);
  else if (["value", "checked", "disabled", "hidden", "multiple", "open"].includes(name)) element[name] = value;
  else element.setAttribute(name, value === true ? "" : String(value));
}
