// A raw array as numbers, a histogram and a heat map.

import { el, put, svg } from './dom.js';
import * as format from './format.js';

const STATS = { mean: 'mean', std: 'standard deviation', min: 'least', q01: '1 %', median: 'median', q99: '99 %', max: 'greatest', norm: 'norm', zeros: 'zeros' };
const SIDE = 320; // pixels of a heat map's longer side

/** Draw the answer of /tensors/OFFSET into `box`. */
export function tensorPicture(box, found, ctx) {
  const bad = found.nonfinite ? el('p', { class: 'is-broken' }, `${format.count(found.nonfinite)} of ${format.count(found.size)} values are not finite.`) : null;
  put(box,
    el('p', { class: 'tensor-head' }, el('b', {}, format.name(found.name, 160)), el('span', { class: 'muted' }, `${found.collection} at ${format.name(found.worker, 60)}, step ${format.count(found.step)}, ${ctx.time(found.time, true)}`),
      el('span', { class: 'muted mono' }, `${found.shape.join('\u00d7') || 'scalar'} ${format.name(found.dtype, 20)}`)), bad,
    el('div', { class: 'tensor-pictures' },
      el('figure', {}, el('figcaption', { class: 'muted small' }, 'Histogram'), histogram(found.histogram)),
      found.heat ? el('figure', {}, el('figcaption', { class: 'muted small' }, `Heat map${isWhole(found.heat) ? '' : ', means of cells'}: ${format.count(found.heat.rows)} rows, ${format.count(found.heat.columns)} columns`), heat(found.heat)) : null,
      el('figure', {}, el('figcaption', { class: 'muted small' }, 'Statistics of the finite values'), el('dl', { class: 'stats' }, Object.entries(STATS).map(([key, word]) => [el('dt', {}, word), el('dd', { class: 'num' }, found.stats[key] === undefined || found.stats[key] === null ? '\u2013' : key === 'zeros' ? `${format.number(100 * found.stats[key])} %` : format.number(found.stats[key]))])))),
    el('details', { class: 'numbers' }, el('summary', {}, `The first ${found.numbers.length} of ${format.count(found.size)} numbers`), el('p', { class: 'mono' }, found.numbers.map((value) => el('span', {}, value === null ? 'not finite' : format.number(value))))));
}

function histogram({ edges, counts }) {
  if (!counts.length) return el('p', { class: 'muted' }, 'No finite value.');
  const [width, height] = [360, 140];
  const most = Math.max(...counts);
  const bar = width / counts.length;
  return el('div', {}, svg('svg', { class: 'histogram', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `${counts.length} bins from ${format.number(edges[0])} to ${format.number(edges.at(-1))}` },
    counts.map((count, i) => svg('rect', { x: i * bar + 0.5, width: Math.max(1, bar - 1), y: height - (count / most) * (height - 4), height: (count / most) * (height - 4) },
      svg('title', {}, `${format.number(edges[i])} to ${format.number(edges[i + 1])}: ${format.count(count)}`)))),
  el('p', { class: 'scale muted small' }, el('span', {}, format.number(edges[0])), el('span', {}, `up to ${format.count(most)} a bin`), el('span', {}, format.number(edges.at(-1)))));
}

/** Blue below zero, orange above, by the largest size; what is not finite is hatched red. */
function heat({ cells, rows, columns }) {
  const [height, width] = [cells.length, cells[0].length];
  const most = Math.max(...cells.flat().map((value) => Math.abs(value ?? 0))) || 1;
  const share = columns / rows;
  const size = share >= 1 ? [SIDE, Math.max(24, SIDE / Math.min(share, 12))] : [Math.max(24, SIDE * Math.max(share, 1 / 12)), SIDE];
  const canvas = el('canvas', { class: 'heat', width, height, role: 'img', 'aria-label': `Values from ${format.number(-most)} to ${format.number(most)} by row and column`, style: { width: `${size[0]}px`, height: `${size[1]}px` } });
  const picture = canvas.getContext('2d');
  const image = picture.createImageData(width, height);
  cells.flat().forEach((value, i) => image.data.set(value === null ? [220, 30, 50, 255] : shade(value / most), 4 * i));
  picture.putImageData(image, 0, 0);
  return el('div', {}, canvas, el('p', { class: 'scale heat-scale muted small' }, el('span', {}, format.number(-most)), el('i', { class: 'heat-key', 'aria-hidden': 'true' }), el('span', {}, format.number(most))));
}

function shade(share) {
  const [from, to] = [[245, 245, 242], share < 0 ? [24, 90, 180] : [205, 90, 10]];
  const depth = Math.sqrt(Math.min(1, Math.abs(share)));
  return [...from.map((value, i) => Math.round(value + (to[i] - value) * depth)), 255];
}

function isWhole({ cells, rows, columns }) {
  return cells.length === rows && cells[0].length === columns;
}
