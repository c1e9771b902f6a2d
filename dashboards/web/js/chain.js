// A way through the topology as chips, from the root to the effect.

import { el } from './dom.js';
import { place } from './places.js';

/** Places as chips, from the root to the effect. */
export function chain(path) {
  return el('span', { class: 'chain', role: 'img', 'aria-label': path.map((node) => place(node)).join(', then ') },
    path.map((node, i) => [i ? el('span', { class: 'arrow', 'aria-hidden': 'true' }, '\u2192') : null, el('span', { class: `link${i ? '' : ' is-root'}` }, place(node, 60))]));
}
