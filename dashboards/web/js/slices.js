// Declared slices of the rows: AUC, calibration and label rate of each, with its AUC over time; worst first.

import { el } from './dom.js';
import * as format from './format.js';
import { sparkline } from './sparkline.js';

const METRICS = ['slice_auc', 'slice_pcoc', 'slice_label_rate'];
const HEADS = ['Slice', 'AUC', 'AUC over time', 'PCOC', 'Label rate'];
const BUCKETS = 40;

/** Read the slices' series, and their AUCs over the range. */
export async function read(ctx, signal) {
  const found = await Promise.all(METRICS.map((metric) => ctx.get('series', { metric }, signal)));
  const rows = new Map();
  for (const one of found.flat()) {
    const row = rows.get(one.entity) ?? { entity: one.entity };
    rows.set(one.entity, { ...row, [one.metric]: one.value, ...(one.metric === METRICS[0] ? { id: one.id } : {}) });
  }
  const { start, end } = ctx.range;
  return Promise.all([...rows.values()].sort((a, b) => (a.slice_auc ?? 2) - (b.slice_auc ?? 2)).map(async (row) => ({
    ...row, history: row.id === undefined ? [] : (await ctx.get('points', { series: row.id, start, end, buckets: BUCKETS }, signal)).value ?? [],
  })));
}

/** The table of what `read` gives. */
export function table(rows, ctx) {
  return el('div', { class: 'scrolled', tabindex: '0', role: 'region', 'aria-label': 'Table of slices' }, el('table', { class: 'features slices' },
    el('thead', {}, el('tr', {}, HEADS.map((head) => el('th', { scope: 'col' }, head)))),
    el('tbody', {}, rows.map((row) => line(row, ctx)))));
}

function line(row, ctx) {
  const name = format.name(row.entity.replace(/^slice:/, ''), 48);
  const known = row.history.filter((value) => value !== null);
  return el('tr', { data: { row: '' } },
    el('th', { scope: 'row' }, el('a', { href: ctx.link({ view: 'series', domain: 'train', entity: row.entity, metric: METRICS[0] }) }, name)),
    el('td', { class: 'num' }, format.measured(METRICS[0], row.slice_auc)),
    el('td', {}, known.length < 2 ? '' : sparkline(row.history, { width: 90, height: 20, low: Math.min(...known, 0.5), high: 1, label: `AUC of ${name}` })),
    el('td', { class: 'num' }, format.measured(METRICS[1], row.slice_pcoc)),
    el('td', { class: 'num' }, format.measured(METRICS[2], row.slice_label_rate)));
}
