// A ranked list of the series that changed most, each against the range before.

import { chip, el, put } from './dom.js';
import * as format from './format.js';

/** Draw the rows of /changed into `box`; `isShort` leaves out columns, `leads(row)` is the change of the address that one makes. */
export function changedList(box, found, ctx, { isShort = false, leads = toSeries } = {}) {
  if (!found.length) return put(box, el('p', { class: 'muted' }, 'Nothing to compare: this range or the one before it holds no data. Choose a shorter range, or drag one on a chart.'));
  const most = Math.max(...found.map((row) => Math.abs(row.effect)));
  return put(box, el('ol', { class: 'rows changed' }, found.map((row, i) => el('li', {}, el('a', {
    class: `row changed-row${isShort ? ' is-short' : ''}`, data: { row: '', series: row.id },
    href: ctx.link(leads(row)),
  },
  isShort ? null : el('span', { class: 'muted num rank' }, i + 1),
  el('span', { class: 'clip' }, el('i', { class: 'key', style: { background: `var(--${row.domain})` } }),
    `${row.entity ? `${format.entity(row.entity)} \u00b7 ` : ''}${format.name(row.metric, 48)}`,
    el('span', { class: 'muted' }, row.worker ? ` at ${format.name(row.worker, 32)}` : ''),
    row.anomaly ? [' ', chip('broken', 'anomaly')] : null),
  isShort ? null : effect(row.effect, most),
  el('span', { class: 'num small' }, el('span', { class: 'muted' }, `${format.measured(row.metric, row.before)} \u2192 `), format.measured(row.metric, row.after)),
  el('b', { class: 'num small' }, `${format.signed(row.effect)} \u03c3`))))));
}

function toSeries(row) {
  return { view: 'series', series: row.id, domain: row.domain, entity: row.entity || null, worker: row.worker || null, metric: row.metric };
}

/** How far and which way, from the middle; on a scale of logarithms, as the first is often a thousand times the tenth. */
function effect(value, most) {
  const share = (Math.log1p(Math.abs(value)) / Math.log1p(most)) * 50;
  return el('span', { class: 'effect', 'aria-hidden': 'true' }, el('i', { class: value > 0 ? 'up' : 'down', style: value > 0 ? { left: '50%', width: `${share}%` } : { right: '50%', width: `${share}%` } }));
}
