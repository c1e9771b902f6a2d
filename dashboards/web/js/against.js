// Another job on the same stream: is its model better? Differences with their intervals, drawn about zero.

import { chip, el, empty, put, svg } from './dom.js';
import * as format from './format.js';

const CHIPS = { better: 'healthy', worse: 'broken', unknown: 'unknown' };
const NAMES = { label_level: 'Labels (no model moves them)', auc: 'AUC', pr_auc: 'PR-AUC', normalized_entropy: 'Normalised entropy', log_loss: 'Log loss', brier: 'Brier', abs_ln_pcoc: '|ln PCOC|', rmse: 'RMSE', mae: 'MAE', relative_mse: 'MSE / variance', abs_bias: '|bias|' };
const WIDE = 120;

/** Draw a choice of the other jobs, and the comparison with the chosen one, into `box`. */
export function draw(box, others, ctx) {
  const { start, end } = ctx.range;
  const { other } = ctx.state;
  const select = el('select', { 'aria-label': 'Other job', on: { change: () => ctx.set({ other: select.value || null }) } },
    el('option', { value: '' }, 'choose a job'), others.map((name) => el('option', { value: name, selected: name === other }, format.name(name, 60))));
  const body = el('div', {});
  put(box, el('p', {}, el('label', {}, el('span', { class: 'muted small' }, 'Other job '), select)), body);
  if (!others.includes(other)) return;
  ctx.load(body, (signal) => ctx.get('against', { other, start, end }, signal), (found) => put(body, table(found)));
}

function table(found) {
  if (!found.rows.length) return empty(`Nothing to compare: ${found.reason}.`, 'Both jobs need labelled rows in the same windows of this range.');
  const rows = [found.label_level, ...found.rows];
  return el('div', {},
    found.fair ? null : el('p', {}, chip('broken', 'not comparable'), ` ${found.reason}`),
    el('p', { class: 'muted small' }, `${format.count(found.windows)} windows that both have; ${found.labelled.map(format.count).join(' and ')} labelled rows; 95 % intervals`),
    el('div', { class: 'scrolled', tabindex: '0', role: 'region', 'aria-label': 'Comparison with another job' }, el('table', { class: 'features against' },
      el('thead', {}, el('tr', {}, ['Metric', format.name(found.first, 24), format.name(found.second, 24), 'Difference', 'Interval', ''].map((head) => el('th', { scope: 'col' }, head)))),
      el('tbody', {}, rows.map(line)))));
}

function line(row) {
  return el('tr', { data: { row: '', metric: row.metric } },
    el('th', { scope: 'row' }, NAMES[row.metric] ?? row.metric),
    ...[row.first, row.second].map((value) => el('td', { class: 'num' }, value === null ? 'unknown' : format.number(value))),
    el('td', { class: 'num' }, row.value === null ? 'unknown' : format.number(row.value)),
    el('td', {}, row.low === null ? el('span', { class: 'muted small' }, 'too few windows') : interval(row)),
    el('td', {}, row.verdict ? chip(CHIPS[row.verdict] ?? 'unknown', row.verdict) : null));
}

/** An interval as a bar about zero, which is in the middle. */
function interval({ low, high, value }) {
  const most = Math.max(Math.abs(low), Math.abs(high)) || 1;
  const x = (of) => WIDE / 2 + (of / most) * (WIDE / 2 - 4);
  return svg('svg', { width: WIDE, height: 18, role: 'img', 'aria-label': `${format.number(low)} to ${format.number(high)}` },
    svg('title', {}, `${format.number(low)} to ${format.number(high)}`),
    svg('line', { x1: WIDE / 2, x2: WIDE / 2, y1: 1, y2: 17, stroke: 'var(--muted)' }),
    svg('line', { x1: x(low), x2: x(high), y1: 9, y2: 9, stroke: 'var(--accent)', 'stroke-width': 3 }),
    svg('circle', { cx: x(value), cy: 9, r: 3.5, fill: 'var(--accent)' }));
}
