// The breakdown of a score as a waterfall from 100: integers of a millionth of a point, so its bars add up exactly.

import { el, put, svg } from './dom.js';
import * as format from './format.js';

const SMALL = 500_000; // micropoints; smaller parts are folded into one bar
const WHYS = { unknown: 'unknown, so counted as a loss', cap: 'caps the score' };

/**
 * Draw into `box`.
 *
 * found: {micropoints, parts: [{domain, entity, worker, metric, micropoints, why}]}, largest loss first.
 * options: by ("metric", "entity" or "domain"), most (bars), link(part) -> href or null, all (no folding).
 */
export function waterfall(box, found, { by = 'metric', most = 12, link = () => null } = {}) {
  const groups = grouped(found.parts, by);
  const { bars, folded } = fold(groups, most);
  const texts = tenths([found.micropoints, ...bars.map((bar) => bar.micropoints)]);
  let top = 100_000_000;
  const rows = bars.map((bar, i) => {
    top -= bar.micropoints;
    return row(bar, top, texts[i + 1], link);
  });
  const scale = el('div', { class: 'fall-row fall-scale', 'aria-hidden': 'true' }, el('span'), el('span', { class: 'fall-axis' }, ['0', '25', '50', '75', '100'].map((text) => el('i', {}, text))), el('span'));
  put(box, el('div', { class: 'fall', data: { score: found.micropoints } },
    scale, total('A perfect job', 100_000_000, '100', 'start'), rows,
    total('Score', found.micropoints, texts[0], 'end')));
  if (!groups.length) box.append(el('p', { class: 'muted small' }, 'Nothing is missing.'));
  if (folded > 1) box.querySelector('.fall').dataset.folded = String(folded);
}

/** Millionths as texts with one digit that add up to 100.0, the remainder to where it fits best (largest remainder). */
export function tenths(micropoints) {
  const exact = micropoints.map((value) => value / 100_000);
  const floors = exact.map(Math.floor);
  let rest = Math.round(exact.reduce((sum, value) => sum + value, 0)) - floors.reduce((sum, value) => sum + value, 0);
  const order = exact.map((value, i) => [value - floors[i], i]).sort((a, b) => b[0] - a[0] || a[1] - b[1]);
  for (const [, i] of order) {
    if (rest <= 0) break;
    floors[i] += 1;
    rest -= 1;
  }
  return floors.map((value) => (value / 10).toFixed(1));
}

function grouped(parts, by) {
  const groups = new Map();
  for (const part of parts) {
    if (!part.micropoints) continue;
    const key = by === 'domain' ? part.domain : by === 'entity' ? `${part.domain}\n${part.entity}\n${part.worker}` : JSON.stringify([part.domain, part.entity, part.worker, part.metric, part.why]);
    const group = groups.get(key) ?? { ...part, micropoints: 0, count: 0, by };
    group.micropoints += part.micropoints;
    group.count += 1;
    if (group.why !== part.why) group.why = '';
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => b.micropoints - a.micropoints);
}

function fold(groups, most) {
  const large = groups.filter((group, i) => i < most && (group.micropoints >= SMALL || i < 3));
  const small = groups.slice(large.length);
  if (small.length === 1) return { bars: groups, folded: 0 };
  if (!small.length) return { bars: large, folded: 0 };
  const micropoints = small.reduce((sum, group) => sum + group.micropoints, 0);
  return { bars: [...large, { micropoints, rest: small.length, domain: '', why: '' }], folded: small.length };
}

function row(bar, top, text, link) {
  const href = bar.rest ? null : link(bar);
  const title = bar.rest ? `${bar.rest} smaller parts` : titleOf(bar);
  const label = el('span', { class: 'fall-label clip', title: `${title}${bar.why ? `: ${WHYS[bar.why] ?? bar.why}` : ''}` }, title,
    bar.why ? el('em', {}, ` ${bar.why}`) : null);
  const kind = bar.why === 'unknown' ? '--unknown' : bar.rest ? '--muted' : `--${bar.domain}`;
  return el(href ? 'a' : 'div', { class: 'fall-row', href, data: href ? { row: '', micropoints: bar.micropoints } : { micropoints: bar.micropoints } },
    label, drawn(top, bar.micropoints, kind, bar.why === 'unknown'), el('span', { class: 'num' }, `\u2212${text}`));
}

function titleOf(bar) {
  if (bar.by === 'domain') return `${bar.domain} domain`;
  const what = bar.entity ? `${format.entity(bar.entity, 48)}${bar.worker ? ` at ${format.name(bar.worker, 24)}` : ''}` : bar.worker ? format.name(bar.worker, 24) : bar.domain;
  return bar.by === 'entity' ? what : `${what} \u00b7 ${format.name(bar.metric, 40)}`;
}

function total(title, micropoints, text, kind) {
  return el('div', { class: `fall-row fall-${kind}` }, el('span', { class: 'fall-label' }, title), drawn(0, micropoints, '--text', false), el('span', { class: 'num' }, text));
}

function drawn(from, length, property, isHollow) {
  const width = Math.max(0.4, length / 1e6);
  const fill = `var(${property})`;
  return svg('svg', { class: 'fall-bar', viewBox: '0 0 100 10', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    [25, 50, 75].map((at) => svg('line', { x1: at, x2: at, y1: 0, y2: 10, stroke: 'var(--line)', 'stroke-width': 1, 'vector-effect': 'non-scaling-stroke' })),
    svg('rect', { x: Math.min(from / 1e6, 100 - width), width, y: 1, height: 8, fill, 'fill-opacity': isHollow ? 0.35 : property === '--text' ? 0.25 : 0.9, stroke: isHollow ? fill : null, 'stroke-width': 1, 'vector-effect': 'non-scaling-stroke' }));
}
