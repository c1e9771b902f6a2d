// Features over their life: what each is worth, and what to do about it; beside them slices, declared and found.

import * as against from '../against.js';
import { chip, el, empty, panel, put } from '../dom.js';
import * as format from '../format.js';
import * as foundSlices from '../found_slices.js';
import * as slices from '../slices.js';
import { sparkline } from '../sparkline.js';

export const title = 'Features';
const AGAIN = 60_000; // milliseconds between two readings, which merge a week of label counts
const CHIPS = { drop: 'broken', contact: 'watch', keep: 'healthy' };
const HEADS = ['Feature', 'Decision', 'Why', 'Utility (IV)', 'Over time', 'Missing', 'Anomalies', 'Owner', 'Cost', 'Similar'];
const COUNTED = new Set(['Utility (IV)', 'Missing', 'Anomalies', 'Cost']); // at the right, as their numbers are

/** Mount the view; returns what follows the state. */
export function mount(root, ctx) {
  const counts = el('span', { class: 'small muted', 'aria-live': 'polite' });
  const table = panel('Features', counts);
  const sliced = panel('Slices');
  const off = panel('Found slices');
  const compared = panel('Against another job');
  put(root, el('h1', { class: 'visually-hidden' }, 'Features'), table.box, sliced.box, off.box, compared.box);
  let rows = [];
  let drawnAt = 0;
  const draw = () => {
    drawnAt = performance.now();
    const { start, end } = ctx.range;
    ctx.load(table.body, (signal) => ctx.get('features', { start, end }, signal), (found) => {
      rows = found;
      const many = Object.keys(CHIPS).map((word) => `${found.filter((row) => row.decision === word).length} ${word}`);
      put(counts, `${format.duration(60 * Math.round((end - start) / 60))}: ${many.join(', ')}`);
      put(table.body, found.length ? drawn(found, ctx) : empty('No feature is known in this range.', 'Choose a longer one, or give Tracer.observe some.'));
    });
  };
  const drawSlices = () => ctx.load(sliced.body, (signal) => slices.read(ctx, signal), (found) => put(sliced.body, found.length ? slices.table(found, ctx) : empty('No slices are declared, or none is known yet.', 'Add [[jobs.evaluation.slices]] to the configuration.')));
  const drawFound = () => ctx.load(off.body, (signal) => ctx.get('slices', { start: ctx.range.start, end: ctx.range.end }, signal), (found) => foundSlices.draw(off.body, found, ctx));
  ctx.exports(() => ({ name: `features-${ctx.job}`, rows: rows.map(({ history, ...row }) => row) }));
  const drawAgainst = () => {
    const others = ctx.jobs.filter((row) => row.job !== ctx.job && !row.isOwn).map((row) => row.job).sort();
    compared.box.hidden = !others.length;
    against.draw(compared.body, others, ctx);
  };
  const both = () => { draw(); drawSlices(); drawFound(); drawAgainst(); };
  both();
  return { refreshed: () => { if (ctx.range.isRelative && performance.now() - drawnAt > AGAIN) both(); }, update: both, back: () => false };
}

function drawn(rows, ctx) {
  return el('div', { class: 'scrolled', tabindex: '0', role: 'region', 'aria-label': 'Table of features' }, el('table', { class: 'features' },
    el('thead', {}, el('tr', {}, HEADS.map((head) => el('th', { scope: 'col', class: COUNTED.has(head) ? 'num' : '' }, head)))),
    el('tbody', {}, rows.map((row) => line(row, ctx)))));
}

function line(row, ctx) {
  const entity = `feature:${row.name}`;
  return el('tr', { data: { row: '', feature: row.name } },
    el('th', { scope: 'row' }, el('a', { href: ctx.link({ view: 'series', domain: 'sample', entity, metric: 'iv' }) }, format.name(row.name, 48))),
    el('td', {}, chip(CHIPS[row.decision] ?? 'unknown', format.name(row.decision))),
    el('td', { class: 'small' }, format.name(row.reason, 120)),
    el('td', { class: 'num', data: { head: 'Utility (IV)' } }, row.utility === null ? '\u2013' : format.number(row.utility)),
    el('td', { data: { head: 'Over time' } }, spark(row.history.utility, `utility of ${format.name(row.name, 48)}`)),
    el('td', { class: 'num', data: { head: 'Missing' } }, row.missing === null ? '\u2013' : format.measured('missing_rate', row.missing)),
    el('td', { class: 'num', data: { head: 'Anomalies' } }, format.count(row.episodes)),
    el('td', { data: { head: 'Owner' } }, format.name(row.owner, 32)),
    el('td', { class: 'num', data: { head: 'Cost' } }, row.cost === null ? '' : format.number(row.cost)),
    el('td', { class: 'small muted', data: { head: 'Similar' } }, row.similar.map((one) => format.name(one.name, 32)).join(', ')));
}

function spark(values, label) {
  const known = values.filter((value) => value !== null);
  return known.length < 2 ? '' : sparkline(values, { width: 90, height: 20, low: 0, high: Math.max(...known) || 1, label });
}
