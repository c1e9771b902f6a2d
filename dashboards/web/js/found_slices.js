// Found slices: values of features at which predictions are off by more than in the job as a whole; worst first.

import { el, empty, put } from './dom.js';
import * as format from './format.js';
import { sparkline } from './sparkline.js';

const HEADS = ['Slice', 'Positives against expected', 'Over time', 'Rows', 'Positives', 'Expected', 'PCOC'];

/** Draw what `GET /api/jobs/JOB/slices` gives into a panel's body. */
export function draw(body, found, ctx) {
  if (!found.features) {
    put(body, empty('No features are looked at.', 'Name them in the configuration: [jobs.evaluation] find = ["country"].'));
    return;
  }
  const told = el('p', { class: 'muted small' }, `${format.count(found.found)} of ${format.count(found.compared)} values of ${format.count(found.features)} features are off beyond chance, all of them taken into account (Holm, 5 %).`);
  put(body, told, found.rows.length ? table(found.rows, ctx) : null);
}

function table(rows, ctx) {
  return el('div', { class: 'scrolled', tabindex: '0', role: 'region', 'aria-label': 'Table of found slices' }, el('table', { class: 'features slices' },
    el('thead', {}, el('tr', {}, HEADS.map((head) => el('th', { scope: 'col' }, head)))),
    el('tbody', {}, rows.map((row) => line(row, ctx)))));
}

function line(row, ctx) {
  const name = `${format.name(row.feature, 48)} = ${format.name(row.value, 48)}`;
  const known = row.history.filter((value) => value !== null);
  return el('tr', { data: { row: '' } },
    el('th', { scope: 'row' }, el('a', { href: ctx.link({ view: 'series', domain: 'sample', entity: `feature:${row.feature}`, metric: 'iv' }) }, name)),
    el('td', { class: 'num', data: { head: HEADS[1] } }, percent(row.difference)),
    el('td', { data: { head: HEADS[2] } }, known.length < 2 ? '' : sparkline(row.history, { width: 90, height: 20, low: Math.min(...known, 0), high: Math.max(...known, 0), label: `positives against expected of ${name}` })),
    el('td', { class: 'num', data: { head: HEADS[3] } }, format.count(row.rows)),
    el('td', { class: 'num', data: { head: HEADS[4] } }, format.count(row.positives)),
    el('td', { class: 'num', data: { head: HEADS[5] } }, format.count(row.expected)),
    el('td', { class: 'num', data: { head: HEADS[6] } }, row.pcoc === null ? 'unknown' : format.number(row.pcoc)));
}

function percent(value) {
  return `${value < 0 ? '\u2212' : '+'}${Math.abs(100 * value).toFixed(Math.abs(value) < 0.1 ? 1 : 0)} %`;
}
