// One series over time: its value, the reference and its band, the noise floor, and the anomalies found in it.

import { chart } from './charts.js';
import { el, empty, put } from './dom.js';
import * as format from './format.js';
import { spans } from './score_chart.js';

const BUCKETS = 600;

/**
 * Keep a chart of `series` (a row of /series) in `box`. options: height, isSmall (no legend), markers, told(value): hears the
 * last value of the range, null if it is unknown; heard(points): all of them. Returns {update(anomalies), rows()}.
 */
export function seriesChart(box, series, ctx, { height = 260, isSmall = false, markers = [], told = () => {}, heard = () => {} } = {}) {
  let drawn = null;
  let last = null;
  const update = (anomalies = []) => ctx.load(box, (signal) => ctx.get('points', { series: series.id, start: ctx.range.start, end: ctx.range.end, buckets: isSmall ? 150 : BUCKETS }, signal), (found) => {
    last = found;
    heard(found);
    told(found.value?.findLast((value) => value !== null) ?? null);
    if (!found.time?.some((_, i) => found.value[i] !== null)) {
      drawn?.end();
      drawn = null;
      return put(box, empty(found.time?.length ? 'Unknown in this range.' : 'No point in this range.', isSmall ? '' : 'Fewer rows than the metric needs, or nothing came. Choose a longer range.'));
    }
    const { lines, columns, band } = shapes(found, series);
    const mine = anomalies.filter((one) => one.metric === series.metric && one.entity === series.entity && one.worker === series.worker);
    const limits = limitsOf(series, ctx.settings?.limits ?? []);
    const options = {
      label: `${series.metric} of ${series.entity || series.domain} ${series.worker}`, lines, band, height, zone: ctx.zone, range: ctx.range, markers, thresholds: limits,
      y: { ...bounds(lines, columns, format.most(series.metric), limits), format: (value) => format.measured(series.metric, value) }, spans: explained(mine, ctx.range),
      drag: (start, end) => ctx.set({ from: Math.round(start), to: Math.round(end) }),
    };
    drawn?.end();
    put(box);
    const inner = el('div', { class: isSmall ? 'small-chart' : '' });
    box.append(inner);
    drawn = chart(inner, options, columns);
    if (!isSmall) box.append(legend(lines, found));
  });
  ctx.atEnd(() => drawn?.end());
  return { update, rows: () => rowsOf(last, series) };
}

function shapes(found, series) {
  const lines = [];
  const columns = [found.time];
  const add = (values, shape) => { lines.push(shape); columns.push(values); return lines.length; };
  let band = null;
  const isRolled = found.level !== 'raw';
  const [low, high] = isRolled ? [found.min, found.max] : [found.low, found.high];
  if (known(low) && known(high)) {
    const name = isRolled ? ['least in the bucket', 'most in the bucket'] : ['band from', 'band to'];
    const top = add(high, { label: name[1], colour: '--accent', width: 0 });
    const foot = add(low, { label: name[0], colour: '--accent', width: 0 });
    band = [top, foot];
  }
  if (known(found.reference)) add(found.reference, { label: 'reference', colour: '--muted', dash: [5, 4], width: 1.25 });
  if (known(found.floor) && found.floor.some((value) => value > 0)) add(found.floor, { label: 'noise floor', colour: '--watch', dash: [2, 3], width: 1.25 });
  add(found.value, { label: format.name(series.metric, 40), colour: `--${series.domain}`, width: 2, points: found.time.length < 40 });
  return { lines, columns, band };
}

/** A range that shows the value, and of the band as much as leaves the value readable; never far above `limit`, which it cannot exceed. */
function bounds(lines, columns, limit, limits) {
  let [low, high, least, most] = [Infinity, -Infinity, Infinity, -Infinity];
  lines.forEach((shape, i) => {
    for (const value of columns[i + 1]) {
      if (value === null) continue;
      least = Math.min(least, value);
      most = Math.max(most, value);
      if (!shape.width) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  });
  const room = Math.max(high - low, Math.abs(high) * 0.1) || most - least;
  for (const { at } of limits) { // a limit that is near is in the picture
    if (at >= low - 2 * room && at <= high + 2 * room) [low, high] = [Math.min(low, at), Math.max(high, at)];
  }
  [least, most] = [Math.min(least, low), Math.max(most, high)];
  const [min, max] = [Math.max(least, low - room), Math.min(most, high + room)];
  const edge = (max - min) * 0.06 || Math.abs(max) * 0.1 || 1;
  return { min: low >= 0 && min - edge < 0 ? 0 : min - edge, max: high <= limit ? Math.min(max + edge, Math.max(limit, high + edge)) : max + edge };
}

/** The declared limits of a series as lines: `/about` has them; a pattern's * stands for any text. */
export function limitsOf(series, declared) {
  return declared.filter((one) => one.metric === series.metric && matches(one.entity, series.entity) && (one.worker ? series.worker !== '' && matches(one.worker, series.worker) : series.worker === ''))
    .flatMap((one) => [['above', one.above], ['below', one.below]].filter(([, at]) => at !== null).map(([word, at]) => ({ at, colour: '--broken', text: `${one.severity} ${word} ${format.measured(series.metric, at)}` })));
}

function matches(pattern, text) {
  const parts = [...pattern].map((sign) => ({ '*': '.*', '?': '.' })[sign] ?? sign.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${parts.join('')}$`, 's').test(text);
}

function known(values) {
  return values?.some((value) => value !== null) ?? false;
}

function explained(anomalies, range) {
  return spans(anomalies, range).map((span, i) => ({ ...span, text: `${anomalies[i].detector || anomalies[i].kind}: ${format.name(anomalies[i].text, 100)}` }));
}

function legend(lines, found) {
  const levels = { raw: 'every window', r10: '10 s buckets', r60: '1 min buckets', r3600: '1 h buckets' };
  return el('div', { class: 'legend' }, lines.filter((shape) => shape.width).reverse().map((shape) => el('span', {}, el('i', { class: 'key', style: { background: `var(${shape.colour})` } }), shape.label)),
    lines.some((shape) => !shape.width) ? el('span', {}, el('i', { class: 'key block', style: { background: 'var(--band)' } }), found.level === 'raw' ? 'reference band' : 'least to most') : null,
    el('span', {}, el('i', { class: 'key ribbon' }), 'anomaly'), el('span', { class: 'hint hide-narrow' }, levels[found.level] ?? found.level));
}

function rowsOf(found, series) {
  if (!found?.time) return [];
  const names = ['value', 'reference', 'low', 'high', 'floor', 'error', 'rows', 'min', 'max', 'count'].filter((name) => found[name]);
  return found.time.map((time, i) => ({ metric: series.metric, entity: series.entity, worker: series.worker, time, ...Object.fromEntries(names.map((name) => [name, found[name][i]])) }));
}
