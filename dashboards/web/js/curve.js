// Small pictures that are not over time, in SVG: bars of two distributions, and curves on a unit square.

import { el, svg } from './dom.js';
import * as format from './format.js';

const WIDE = 480;
const HIGH = 140;

/**
 * Bars now over the outline of before, both as shares of their rows.
 *
 * found: {edges, now, before}; options: label, names of the two, colours of the two.
 */
export function bars(found, { label, names = ['now', 'before'], colours = ['--accent', '--text'] }) {
  const now = shares(found.now);
  const before = found.before ? shares(found.before) : null;
  const top = Math.max(...now, ...(before ?? []), 1e-9);
  const width = WIDE / now.length;
  const y = (share) => HIGH - (share / top) * (HIGH - 6);
  const outline = before?.map((share, i) => `${i ? 'L' : 'M'}${(i * width).toFixed(1)} ${y(share).toFixed(1)}H${((i + 1) * width).toFixed(1)}`).join('');
  const picture = svg('svg', { class: 'picture', viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
    now.map((share, i) => svg('rect', { x: i * width + 0.5, y: y(share), width: Math.max(0.5, width - 1), height: HIGH - y(share), fill: `var(${colours[0]})`, 'fill-opacity': 0.55 },
      svg('title', {}, `${format.number(found.edges[i])} to ${format.number(found.edges[i + 1])}: ${percent(share)} ${names[0]}${before ? `, ${percent(before[i])} ${names[1]}` : ''}`))),
    outline ? svg('path', { d: outline, fill: 'none', stroke: `var(${colours[1]})`, 'stroke-width': 1.5, 'vector-effect': 'non-scaling-stroke' }) : null);
  return el('figure', { class: 'bars' }, picture,
    el('div', { class: 'bars-axis small muted', 'aria-hidden': 'true' }, [0, 0.5, 1].map((at) => el('span', {}, format.number(found.edges[0] + (found.edges.at(-1) - found.edges[0]) * at)))),
    key(names, colours, before, rows(found.now), rows(found.before)));
}

/** The most frequent values of an identifier, and odd ones, as rows: share now, and before as a mark. */
export function frequent(found) {
  const all = [...found.values.map((value, i) => [value, found.now[i], found.before?.[i], found.odd[i]]), ['all others', found.other, found.other_before]];
  const top = Math.max(...all.slice(0, -1).map(([, now, before]) => Math.max(now / found.total, before ? before / found.total_before : 0)), 1e-9);
  return el('table', { class: 'frequent' }, el('thead', {}, el('tr', {}, el('th', {}, 'Value (salted hash)'), el('th', {}, 'Share'), el('th', { class: 'num' }, 'Now'), el('th', { class: 'num' }, 'Before'))),
    el('tbody', {}, all.map(([value, now, before, isOdd]) => el('tr', { class: isOdd ? 'odd-value' : '' }, el('td', { class: 'mono' }, value, isOdd ? el('b', { class: 'odd-mark' }, ' odd') : null),
      el('td', {}, el('span', { class: 'share', 'aria-hidden': 'true' },
        el('i', { style: { width: `${Math.min(100, (now / found.total / top) * 100)}%` } }),
        before !== null && before !== undefined && found.total_before ? el('b', { style: { left: `${Math.min(99, (before / found.total_before / top) * 100)}%` } }) : null)),
      el('td', { class: 'num' }, percent(now / found.total)), el('td', { class: 'num muted' }, before === null || before === undefined || !found.total_before ? '\u2013' : percent(before / found.total_before))))));
}

/** A curve on a square of 0..max over that of `before`; `diagonal` draws what chance, or perfection, would, `bounds` intervals. */
export function square([x, y], { label, across, up, max = 1, diagonal = false, dots = false, before = null, bounds = null }) {
  const size = 200;
  const at = (value) => Math.min(1, value / max) * size;
  const points = x.map((value, i) => [at(value), size - at(y[i])]);
  const line = (where) => where.map(([px, py], i) => `${i ? 'L' : 'M'}${px.toFixed(1)} ${py.toFixed(1)}`).join('');
  return el('figure', { class: 'square' },
    svg('svg', { viewBox: `-2 -2 ${size + 4} ${size + 4}`, role: 'img', 'aria-label': label },
      svg('rect', { x: 0, y: 0, width: size, height: size, fill: 'none', stroke: 'var(--line)' }),
      [0.25, 0.5, 0.75].map((share) => [svg('line', { x1: share * size, x2: share * size, y1: 0, y2: size, stroke: 'var(--line)' }), svg('line', { x1: 0, x2: size, y1: share * size, y2: share * size, stroke: 'var(--line)' })]),
      diagonal ? svg('line', { x1: 0, y1: size, x2: size, y2: 0, stroke: 'var(--muted)', 'stroke-dasharray': '4 4' }) : null,
      before ? svg('path', { d: line(before[0].map((value, i) => [at(value), size - at(before[1][i])])), class: 'was', fill: 'none', stroke: 'var(--text)', 'stroke-width': 1, 'stroke-dasharray': '3 2' }) : null,
      bounds ? points.map(([px], i) => svg('line', { class: 'bound', x1: px, x2: px, y1: size - at(bounds[0][i]), y2: size - at(bounds[1][i]), stroke: 'var(--accent)', 'stroke-opacity': 0.55, 'stroke-width': 1.5 })) : null,
      svg('path', { d: line(points), fill: 'none', stroke: 'var(--accent)', 'stroke-width': 1.75 }),
      dots ? points.map(([px, py]) => svg('circle', { cx: px, cy: py, r: 2.5, fill: 'var(--accent)' })) : null),
    el('figcaption', { class: 'small' }, el('b', {}, label), el('span', { class: 'muted' }, ` ${up} over ${across}${max === 1 ? '' : `, 0 to ${format.number(max)}`}`)));
}

function key(names, colours, before, rowsNow, rowsBefore) {
  return el('figcaption', { class: 'small muted' },
    el('span', {}, el('i', { class: 'key block', style: { background: `var(${colours[0]})` } }), `${names[0]} (${format.count(rowsNow)})`),
    before ? el('span', {}, el('i', { class: 'key', style: { background: `var(${colours[1]})` } }), `${names[1]} (${format.count(rowsBefore)})`) : null);
}

function shares(counts) {
  const total = rows(counts) || 1;
  return counts.map((n) => n / total);
}

function rows(counts) {
  return counts ? counts.reduce((sum, n) => sum + n, 0) : 0;
}

function percent(share) {
  return `${(100 * share).toFixed(share < 0.0995 ? 2 : 1)} %`;
}
