// One series in two runs, each from its own begin on, on one axis of elapsed time.

import { chart } from './charts.js';
import { el, empty, put } from './dom.js';
import * as format from './format.js';

const BUCKETS = 300;
const DRAWN = new WeakMap(); // by box

/** Draw `row` (of /runs/compared, which is `told`) in both runs. */
export function runsChart(box, row, told, ctx) {
  const range = (run) => ({ start: run.start, end: told.span === null ? run.end ?? ctx.edge + 1 : run.start + told.span });
  const ask = async (signal) => Promise.all([told.first, told.second].map((run) => ctx.get('points', { series: row.id, ...range(run), buckets: BUCKETS }, signal)));
  return ctx.load(box, ask, (found) => {
    const tables = found.map((one, i) => [(one.time ?? []).map((time) => time - [told.first, told.second][i].start), one.value ?? []]);
    if (tables.some(([times]) => !times.length)) return put(box, empty('In one of the runs there is no point of it any more.'));
    const lines = [{ label: 'first', colour: '--muted', width: 2 }, { label: 'second', colour: `--${row.domain}`, width: 2 }];
    const name = `${row.entity ? `${format.entity(row.entity)} \u00b7 ` : ''}${format.name(row.metric, 48)}${row.worker ? ` at ${format.name(row.worker, 32)}` : ''}`;
    const inner = el('div');
    put(box, el('p', { class: 'small' }, el('b', {}, name)), inner, el('div', { class: 'legend' }, lines.map((line) => el('span', {}, el('i', { class: 'key', style: { background: `var(${line.colour})` } }), `${line.label} run`))));
    DRAWN.get(box)?.end();
    const drawn = chart(inner, { label: `${name} in both runs`, lines, height: 240, isElapsed: true, y: { format: (value) => format.measured(row.metric, value) } }, window.uPlot.join(tables));
    if (!DRAWN.has(box)) ctx.atEnd(() => DRAWN.get(box).end());
    DRAWN.set(box, drawn);
  });
}
