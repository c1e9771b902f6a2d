// The scores of a job on one time axis: overall and domains, thresholds, anomalies as a ribbon, incidents and changes.

import { chart } from './charts.js';
import { el, empty, put } from './dom.js';
import * as format from './format.js';
import { placeOf } from './places.js';

const THRESHOLDS = [
  { at: 90, colour: '--healthy', text: 'healthy' }, { at: 75, colour: '--watch', text: 'watch' }, { at: 60, colour: '--degraded', text: 'degraded' },
];
const LINES = [
  { label: 'sample', colour: '--sample' }, { label: 'train', colour: '--train' }, { label: 'system', colour: '--system' },
  { label: 'overall', colour: '--text', width: 2.5 },
];
const MARKED = { begin: 'job began', end: 'job ended', gap: 'gap' };
const MOST = 5000;

/** Keep the chart of `box` at the state of `ctx`; returns {update(), rows()}. */
export function scoreChart(box, ctx, { height = 240 } = {}) {
  let drawn = null;
  let last = { scores: [] };
  const update = () => ctx.load(box, (signal) => ask(ctx, signal), (found) => {
    last = found;
    const columns = columnsOf(found.scores);
    if (!columns[0].length) {
      drawn?.end();
      drawn = null;
      return put(box, empty('No score in this range.', 'Choose a longer range, or wait for the next window.'));
    }
    const options = {
      label: `Scores of ${ctx.job}`, lines: LINES, height, zone: ctx.zone, range: ctx.range, y: { min: 0, max: 100, format: (v) => String(Math.round(v * 10) / 10) },
      thresholds: THRESHOLDS, spans: spans(found.anomalies, ctx.range), markers: [...markers(found.changes), ...told(found.incidents)],
      drag: (start, end) => ctx.set({ from: Math.round(start), to: Math.round(end) }),
    };
    if (drawn) drawn.set(columns, options);
    else {
      put(box);
      const inner = el('div');
      box.append(inner, legend());
      drawn = chart(inner, options, columns);
    }
  });
  ctx.atEnd(() => drawn?.end());
  return { update, rows: () => last.scores, incidents: () => last.incidents ?? [] };
}

/** Markers of changes: settings, model pushes, plans, gaps. */
export function markers(changes) {
  return changes.map((change) => ({
    time: change.time, colour: change.name === 'gap' ? '--stale' : '--accent',
    text: format.name(`${MARKED[change.name] ?? change.name}${change.worker ? ` at ${change.worker}` : ''}${change.text ? `: ${change.text}` : ''}`, 120),
  }));
}

/** Anomalies as spans of a ribbon. */
export function spans(anomalies, range) {
  return anomalies.map((anomaly) => ({
    start: anomaly.start, end: anomaly.end ?? (anomaly.kind === 'fact' ? anomaly.start : range.end), colour: '--mark',
    text: format.name(`${format.entity(anomaly.entity, 40)}${anomaly.worker ? ` at ${anomaly.worker}` : ''} ${anomaly.metric}`, 100),
  }));
}

async function ask(ctx, signal) {
  const { start, end } = ctx.range;
  const [scores, anomalies, changes, incidents] = await Promise.all([
    ctx.get('scores', { start, end, limit: MOST }, signal), ctx.get('anomalies', { start, end, limit: 2000 }, signal),
    ctx.get('changes', { start, end }, signal), ctx.get('incidents', { start, end, limit: 50 }, signal),
  ]);
  return { scores, anomalies, changes, incidents };
}

function told(incidents) {
  return incidents.map((incident) => ({ time: incident.root.start, colour: '--mark', text: `incident: ${placeOf(incident, 60)}` }));
}

function columnsOf(scores) {
  const times = [...new Set(scores.map((score) => score.end))].sort((a, b) => a - b);
  const at = new Map(times.map((time, i) => [time, i]));
  const columns = LINES.map(() => new Array(times.length).fill(null));
  for (const score of scores) {
    const column = LINES.findIndex((shape) => shape.label === score.domain);
    if (column >= 0) columns[column][at.get(score.end)] = score.score;
  }
  return [times, ...columns];
}

function legend() {
  return el('div', { class: 'legend' }, [...LINES].reverse().map((shape) => el('span', {}, el('i', { class: 'key', style: { background: `var(${shape.colour})` } }), shape.label)),
    el('span', {}, el('i', { class: 'key ribbon' }), 'anomaly'), el('span', {}, '\u25be incident or change'),
    el('span', { class: 'hint hide-narrow' }, 'drag over the chart: the whole page follows'));
}
