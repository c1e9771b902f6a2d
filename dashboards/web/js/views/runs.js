// Runs: when the job ran, with what and how it stands; two of them beside each other, as far as both have come.

import { changedList } from '../changed_list.js';
import { chip, el, empty, panel, put } from '../dom.js';
import * as format from '../format.js';
import { runsChart } from '../runs_chart.js';

export const title = 'Runs';
const AGAIN = 10_000; // milliseconds between two readings
const MOST = 40; // series that are listed; the export has all
const CHIPS = { starting: 'warming', running: 'healthy', stale: 'stale', stopped: 'unknown' };
const HEADS = ['First', 'Second', 'Run', 'State', 'Length', 'Ran with', 'Released'];

/** Mount the view; returns what follows the state. */
export function mount(root, ctx) {
  const history = panel('Runs, the newest first');
  const how = el('span', { class: 'small muted' });
  const beside = panel('Beside each other', how);
  const curve = panel('The same series in both, from their begin');
  const ranked = panel('What differs most');
  put(root, el('h1', { class: 'visually-hidden' }, `Runs of ${format.name(ctx.job)}`), history.box, beside.box, ranked.box, curve.box);
  let runs = [];
  let found = null;
  let drawnAt = 0;

  const compare = () => {
    const pair = chosen(runs, ctx.state);
    for (const { box } of [beside, ranked, curve]) box.hidden = !pair;
    if (!pair) return;
    const asked = { first: pair[0].name, second: pair[1].name, whole: ctx.state.whole ? 1 : 0 };
    ctx.load(beside.body, (signal) => ctx.get('runs/compared', asked, signal), (told) => {
      found = told;
      put(how, extent(told, ctx));
      drawBeside(beside.body, told);
      if (!told.series.length) put(ranked.body, empty('No series is known in both.'));
      else changedList(ranked.body, told.series.slice(0, MOST), ctx, { leads: (row) => ({ series: row.id }) });
      drawCurve();
    });
  };
  const drawCurve = () => {
    const row = found?.series.find((one) => String(one.id) === ctx.state.series) ?? found?.series[0];
    if (row) runsChart(curve.body, row, found, ctx);
    else put(curve.body, empty('No series is known in both.'));
  };
  const draw = () => {
    drawnAt = performance.now();
    ctx.load(history.body, (signal) => ctx.get('runs', {}, signal), (told) => {
      runs = told;
      drawHistory(history.body, runs, ctx);
      compare();
    });
  };
  ctx.exports(() => ({ name: `runs-${ctx.job}`, rows: found ? found.series : runs.map(({ configuration, ...run }) => ({ ...run, ...configuration })) }));
  draw();
  return {
    refreshed: () => { if (performance.now() - drawnAt > AGAIN) draw(); },
    update(state, before) {
      if (['first', 'second', 'whole', 'tz'].some((key) => state[key] !== before[key])) {
        drawHistory(history.body, runs, ctx);
        compare();
      } else if (state.series !== before.series) drawCurve();
    },
    back() {
      if (!ctx.state.series) return false;
      ctx.set({ series: null });
      return true;
    },
  };
}

/** The two runs that the address names, else the last two; null where there are not two. */
function chosen(runs, state) {
  const named = (name, other) => runs.find((run) => run.name === name) ?? other;
  const [second, first] = [named(state.second, runs[0]), named(state.first, runs.find((run) => run.name !== (state.second ?? runs[0]?.name)))];
  return first && second && first !== second ? [first, second] : null;
}

function extent(told, ctx) {
  const whole = el('input', { type: 'checkbox', checked: told.span === null, on: { change: () => ctx.set({ whole: whole.checked ? '1' : null }) } });
  return [told.span === null ? 'all of each ' : `the first ${format.duration(told.span)} of each `, el('label', {}, whole, ' all of each')];
}

function drawHistory(box, runs, ctx) {
  if (!runs.length) return put(box, empty('Registered; no run is known yet.', 'One begins with the first closed window of the job.'));
  const pair = chosen(runs, ctx.state);
  put(box, el('div', { class: 'scrolled', tabindex: '0', role: 'region', 'aria-label': 'Table of runs' }, el('table', { class: 'features runs' },
    el('thead', {}, el('tr', {}, HEADS.map((head) => el('th', { scope: 'col', class: head === 'Length' ? 'num' : '' }, head)))),
    el('tbody', {}, runs.map((run) => el('tr', { data: { row: '', run: run.name } },
      ['first', 'second'].map((side, i) => el('td', { data: { head: HEADS[i] } }, pick(side, run, pair?.[i] === run, ctx))),
      el('th', { scope: 'row' }, ctx.time(run.start, true), el('span', { class: 'muted small' }, ` ${run.began}`)),
      el('td', {}, chip(CHIPS[run.state] ?? 'unknown', run.state)),
      el('td', { class: 'num', data: { head: 'Length' } }, format.duration((run.end ?? ctx.edge) - run.start)),
      el('td', { class: 'small' }, format.name(Object.entries(run.configuration).map(([name, value]) => `${name}=${value}`).join(', '), 300)),
      el('td', { class: 'small muted' }, format.name(run.releases.slice(-3).join(', '), 200))))))));
}

function pick(side, run, isPicked, ctx) {
  return el('input', { type: 'radio', name: `run-${side}`, checked: isPicked, 'aria-label': `${side} run: ${run.name}`, on: { change: () => ctx.set({ [side]: run.name, series: null }) } });
}

function drawBeside(box, told) {
  const lines = [
    ...told.configuration.map((one) => [format.name(one.name, 60), shown(one.first), shown(one.second)]),
    ...told.scores.map((one) => [`score, ${one.domain}`, format.score(one.first), format.score(one.second)]),
    ['incidents', format.count(told.incidents.first), format.count(told.incidents.second)],
  ];
  put(box, el('table', { class: 'beside-runs' },
    el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'What'), el('th', { scope: 'col', class: 'num' }, 'First'), el('th', { scope: 'col', class: 'num' }, 'Second'))),
    el('tbody', {}, lines.map(([what, first, second]) => el('tr', {}, el('th', { scope: 'row' }, what), el('td', { class: 'num' }, first), el('td', { class: 'num' }, second))))));
}

function shown(value) {
  return value === null || value === undefined ? '\u2013' : format.name(String(value), 120);
}
