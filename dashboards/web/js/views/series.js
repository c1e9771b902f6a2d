// Any metric by entity and worker.

import { el, put } from '../dom.js';

export const title = 'Series';

/** Mount the view; returns what follows the state. */
export function mount(root, ctx) {
  put(root, el('p', { class: 'muted' }, `Series of ${ctx.job}`));
  return { update() {} };
}
