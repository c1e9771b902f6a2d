// Charts over time: uPlot with our colours, one cursor for all, bands, thresholds, markers, a ribbon of anomalies, and a
// drag that sets the range of the whole page.

import { el, put } from './dom.js';
import * as format from './format.js';

const SYNC = 'page';
const RIBBON = 5; // pixels at the foot of the plot
const COLOURS = new Map();

/** The computed colour of a custom property, such as "--accent". */
export function colour(property) {
  if (!COLOURS.size) {
    matchMedia('(prefers-color-scheme: dark)').onchange = () => dispatchEvent(new Event('themechange'));
    addEventListener('themechange', () => COLOURS.clear(), { capture: true });
  }
  if (!COLOURS.has(property)) COLOURS.set(property, computed(property));
  return COLOURS.get(property);
}

function computed(property) {
  const dot = el('i', { hidden: true, style: { color: `var(${property})` } });
  document.body.append(dot);
  const found = getComputedStyle(dot).color;
  dot.remove();
  return found;
}

/**
 * A chart in `box`.
 *
 * options: label (what it shows, for screen readers), lines [{label, colour, width, dash, fill, value(v)}], low/high (one
 * band between two lines, by index), y {min, max, format}, thresholds [{at, colour, text}], markers [{time, text, colour}],
 * spans [{start, end, colour, text}] drawn as ribbon, zone, height, range {start, end}, drag(start, end), isElapsed: x are
 * seconds since something began, not times.
 * columns: [times, values...], null where unknown. Returns {set(columns, changes), end()}.
 */
export function chart(box, options, columns) {
  let plot = null;
  let shown = { ...options };
  let data = columns;
  const figure = el('figure', { class: 'chart', role: 'img', 'aria-label': options.label });
  const tip = el('figcaption', { class: 'tip', 'aria-hidden': 'true' });
  put(box, figure, tip);

  const build = () => {
    plot?.destroy();
    const width = Math.max(160, figure.clientWidth);
    plot = new window.uPlot(configured(shown, width, tip, () => shown), data, figure);
  };
  const resize = new ResizeObserver(() => {
    const width = Math.max(160, figure.clientWidth);
    if (plot && Math.abs(plot.width - width) > 1) plot.setSize({ width, height: shown.height ?? 200 });
  });
  build();
  resize.observe(figure);
  addEventListener('themechange', build);
  return {
    figure,
    /** New columns, and changed options if given; the scales follow the range. */
    set(next, changes = null) {
      data = next;
      const isOther = changes && ['lines', 'zone', 'height'].some((key) => key in changes && changes[key] !== shown[key]);
      if (changes) shown = { ...shown, ...changes };
      if (isOther) build();
      else plot.setData(data, true);
    },
    end() {
      resize.disconnect();
      removeEventListener('themechange', build);
      plot?.destroy();
    },
  };
}

function configured(options, width, tip, now) {
  const muted = colour('--muted');
  const grid = { stroke: colour('--line'), width: 1 };
  const axis = { stroke: muted, grid, ticks: { show: false }, font: '11px system-ui, sans-serif', gap: 4 };
  return {
    width, height: options.height ?? 200, legend: { show: false },
    tzDate: (seconds) => (now().zone === 'utc' ? window.uPlot.tzDate(new Date(seconds * 1e3), 'Etc/UTC') : new Date(seconds * 1e3)),
    padding: [8, options.thresholds?.length ? 56 : 16, 0, 0],
    cursor: { sync: { key: options.isElapsed ? null : SYNC, setSeries: false, filters: { pub: (type) => type !== 'mousedown' && type !== 'mouseup' } }, drag: { x: true, y: false, setScale: false }, points: { size: 6 }, y: false },
    scales: {
      x: { time: true, range: (_, low, high) => (now().range ? [now().range.start, now().range.end] : [low, high]) },
      y: { range: (_, low, high) => spread(now(), low, high) },
    },
    axes: [
      { ...axis, size: 28, space: 64, values: (_, splits, __, ___, step) => splits.map((at) => (now().isElapsed ? format.duration(at) : tick(at, step, now().zone))) },
      { ...axis, size: 52, values: (_, splits) => splits.map(options.y?.format ?? format.number) },
    ],
    series: [{}, ...options.lines.map(line)],
    bands: options.band ? [{ series: options.band, fill: colour('--band') }] : [],
    hooks: {
      drawAxes: [(plot) => drawThresholds(plot, now())], // over the grid, under the lines
      draw: [(plot) => { drawMarkers(plot, now()); drawRibbon(plot, now()); }],
      setCursor: [(plot) => drawTip(plot, tip, now())],
      setSelect: [(plot) => selected(plot, now())],
    },
  };
}

function line(shape) {
  const stroke = colour(shape.colour ?? '--accent');
  return {
    label: shape.label, stroke, width: shape.width ?? 1.5, dash: shape.dash, spanGaps: false,
    fill: shape.fill ? colour(shape.fill) : undefined, points: { show: shape.points ?? false, size: 5, fill: stroke },
    paths: shape.steps ? window.uPlot.paths.stepped({ align: -1 }) : undefined,
  };
}

function spread(options, low, high) {
  const fixed = options.y ?? {};
  if (fixed.min !== undefined && fixed.max !== undefined) return [fixed.min, fixed.max];
  if (low === null || high === null) return [0, 1];
  const room = (high - low) * 0.08 || Math.abs(high) * 0.1 || 1;
  return [fixed.min ?? (low >= 0 && low - room < 0 ? 0 : low - room), fixed.max ?? high + room];
}

function tick(at, step, zone) {
  const options = { timeZone: zone === 'utc' ? 'UTC' : undefined, hourCycle: 'h23' };
  const date = new Date(at * 1000);
  const write = (fields) => new Intl.DateTimeFormat('en-GB', { ...options, ...fields }).format(date).replace('Sept', 'Sep');
  if (step < 60) return write({ hour: '2-digit', minute: '2-digit', second: '2-digit' });
  const clock = write({ hour: '2-digit', minute: '2-digit' });
  if (step < 86400 && clock !== '00:00') return clock;
  return write(step >= 86400 * 27 ? { month: 'short', year: 'numeric' } : { day: 'numeric', month: 'short' });
}

function drawThresholds(plot, { thresholds = [] }) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
  for (const threshold of thresholds) {
    const y = Math.round(plot.valToPos(threshold.at, 'y', true)) + 0.5;
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    ctx.strokeStyle = colour(threshold.colour);
    ctx.globalAlpha = 0.6;
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    if (threshold.text) drawThresholdText(ctx, bbox, threshold, y);
  }
  ctx.restore();
}

// beside the plot where there is room, else on the line within it
function drawThresholdText(ctx, bbox, threshold, y) {
  const gap = 6 * devicePixelRatio, right = bbox.left + bbox.width;
  ctx.globalAlpha = 1;
  ctx.fillStyle = colour(threshold.colour);
  ctx.font = `${10 * devicePixelRatio}px system-ui, sans-serif`;
  const fits = right + gap + ctx.measureText(threshold.text).width <= ctx.canvas.width;
  ctx.textAlign = fits ? 'left' : 'right';
  ctx.textBaseline = fits ? 'middle' : 'bottom';
  ctx.fillText(threshold.text, right + (fits ? gap : -gap), y);
}

function drawMarkers(plot, { markers = [] }) {
  const { ctx, bbox } = plot;
  ctx.save();
  for (const marker of markers) {
    const x = Math.round(plot.valToPos(marker.time, 'x', true)) + 0.5;
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.strokeStyle = ctx.fillStyle = colour(marker.colour ?? '--muted');
    ctx.globalAlpha = 0.75;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.globalAlpha = 1;
    const size = 5 * devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(x - size, bbox.top);
    ctx.lineTo(x + size, bbox.top);
    ctx.lineTo(x, bbox.top + size * 1.4);
    ctx.fill();
  }
  ctx.restore();
}

function drawRibbon(plot, { spans = [] }) {
  const { ctx, bbox } = plot;
  const height = RIBBON * devicePixelRatio;
  const right = bbox.left + bbox.width;
  ctx.save();
  ctx.fillStyle = colour('--mark');
  for (const [start, end] of united(spans)) {
    const from = Math.max(bbox.left, plot.valToPos(start, 'x', true));
    const to = Math.min(right, plot.valToPos(end, 'x', true));
    if (to < bbox.left || from > right) continue;
    const width = Math.min(right - from, Math.max(3 * devicePixelRatio, to - from));
    ctx.globalAlpha = 0.9;
    ctx.fillRect(from, bbox.top + bbox.height - height, width, height);
    ctx.globalAlpha = 0.06;
    ctx.fillRect(from, bbox.top, width, bbox.height - height);
  }
  ctx.restore();
}

/** Spans as [start, end] that do not overlap, oldest first. */
function united(spans) {
  const sorted = spans.map(({ start, end }) => [start, end]).sort((a, b) => a[0] - b[0]);
  const found = [];
  for (const [start, end] of sorted) {
    const last = found.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else found.push([start, end]);
  }
  return found;
}

function drawTip(plot, tip, options) {
  const { idx, left } = plot.cursor;
  if (idx === null || idx === undefined || left < 0) return put(tip);
  const time = plot.data[0][idx];
  const write = options.y?.format ?? format.number;
  const near = (plot.scales.x.max - plot.scales.x.min) / plot.bbox.width * 8 * devicePixelRatio;
  const at = plot.posToVal(left, 'x');
  put(tip, el('b', {}, options.isElapsed ? format.duration(time) : format.time(time, options.zone)),
    options.lines.map((shape, i) => shape.isSilent ? null : el('span', { class: 'tip-item' },
      el('i', { class: 'key', style: { background: `var(${shape.colour ?? '--accent'})` } }), `${shape.label} `,
      el('b', {}, (plot.data[i + 1][idx] ?? null) === null ? '\u2013' : write(plot.data[i + 1][idx])))),
    (options.markers ?? []).filter((marker) => Math.abs(marker.time - at) < near).slice(0, 2).map((marker) => el('span', { class: 'tip-item' }, `\u25be ${marker.text}`)),
    (options.spans ?? []).filter((span) => span.start <= at && at <= span.end && span.text).slice(0, 2).map((span) => el('span', { class: 'tip-item' }, `\u25ac ${span.text}`)));
}

function selected(plot, { drag }) {
  const { left, width } = plot.select;
  if (width > 4 && drag) drag(plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x'));
  if (width > 0) plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
}
