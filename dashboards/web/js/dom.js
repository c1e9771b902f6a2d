// Elements built from values, never from markup: every string from a trace is hostile and becomes a text node.

const SVG = 'http://www.w3.org/2000/svg';

/** An HTML element. `attributes`: class, on: {event: f}, style: {property: value}, data: {name: value}, or any attribute. */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Replace all children. */
export function put(parent, ...children) {
  parent.replaceChildren(...nodes(children));
  return parent;
}

/** Replace those children that differ, and leave the others as they are. */
export function renew(parent, children) {
  const wanted = nodes([children]);
  wanted.forEach((child, i) => {
    const old = parent.childNodes[i];
    if (!old) parent.append(child);
    else if (!old.isEqualNode(child)) old.replaceWith(child);
  });
  while (parent.childNodes.length > wanted.length) parent.lastChild.remove();
  return parent;
}

/** Let `draw` fill `box` anew; the focus goes back to what has the same key, or leads to the same place. */
export function redrawn(box, draw) {
  const active = document.activeElement;
  const keyOf = (item) => item.dataset.key ?? item.getAttribute('href');
  const key = box.contains(active) && active !== box ? keyOf(active) : null;
  draw();
  if (key && !active.isConnected) [...box.querySelectorAll('[data-key], [href]')].find((item) => keyOf(item) === key)?.focus({ preventScroll: true });
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'on') for (const [event, f] of Object.entries(value)) element.addEventListener(event, f);
    else if (name === 'style') for (const [key, v] of Object.entries(value)) element.style.setProperty(key, v);
    else if (name === 'data') for (const [key, v] of Object.entries(value)) element.dataset[key] = v;
    else if (name === 'href') element.setAttribute('href', isSafe(value) ? value : '#');
    else if (name === 'value' && 'value' in element) element.value = value;
    else if (name.startsWith('on') || name === 'srcdoc' || name === 'innerHTML') throw new Error(`${name} is not set here`);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...nodes(children));
  return element;
}

function nodes(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

/** Only places in this page or on this server. */
function isSafe(href) {
  return /^(#|\/(?!\/)|\?)/.test(href) || /^blob:/.test(href);
}

const ICONS = {
  healthy: ['M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13z', 'M5 8.2l2.1 2.1L11.2 6'],
  watch: ['M8 1.3L14.7 8L8 14.7L1.3 8z', 'M8 5.2v3.6M8 10.9v.2'],
  degraded: ['M8 1.8L15 14H1z', 'M8 6v4M8 12v.2'],
  broken: ['M5.2 1.5h5.6l3.7 3.7v5.6l-3.7 3.7H5.2l-3.7-3.7V5.2z', 'M5.7 5.7l4.6 4.6M10.3 5.7l-4.6 4.6'],
  stale: ['M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13z', 'M8 4.5V8l2.4 1.8'],
  warming: ['M4 1.8h8M4 14.2h8M4.8 1.8c0 4 6.4 4.2 6.4 6.2s-6.4 2.200-6.400 6.200M11.200 1.800c0 4-6.400 4.200-6.400 6.200s6.400 2.200 6.400 6.200', ''],
  learning: ['M4 1.8h8M4 14.2h8M4.8 1.8c0 4 6.4 4.2 6.4 6.2s-6.4 2.200-6.400 6.200M11.200 1.800c0 4-6.400 4.200-6.400 6.200s6.400 2.200 6.400 6.200', ''],
  unknown: ['M8 1.500a6.500 6.500 0 1 0 0 13a6.500 6.500 0 0 0 0-13z', 'M6 6.200c0-2.600 4-2.600 4 0c0 1.600-2 1.500-2 3M8 11.400v.2'],
};

/** The drawing of a state: its shape differs, not only its colour. */
export function icon(state) {
  const paths = (ICONS[state] || ICONS.unknown).filter(Boolean);
  return svg('svg', { class: 'icon', viewBox: '0 0 16 16', 'aria-hidden': 'true' },
    paths.map((d) => svg('path', { d })));
}

/** A state as icon and word in its colour. */
export function chip(state, word = state) {
  return el('span', { class: `chip is-${state}` }, icon(state), el('span', {}, word));
}

/** A titled box; `tools` stand at the right of its title. Returns {box, body}. */
export function panel(title, ...tools) {
  const body = el('div', { class: 'panel-body' });
  const box = el('section', { class: 'panel', 'aria-label': title },
    el('header', { class: 'panel-head' }, el('h2', {}, title), el('div', { class: 'tools' }, tools)), body);
  return { box, body };
}

/** What a designed emptiness says: a line, and what to do about it. */
export function empty(text, remedy = '') {
  return el('div', { class: 'empty' }, el('p', {}, text), remedy && el('p', { class: 'muted' }, remedy));
}
