// What an incident's root does, and what is folded beneath it: value at the onset and now, a chart with its band, small ones below.

import { edgeOf } from './clock.js';
import { chip, el, put } from './dom.js';
import * as format from './format.js';
import { place } from './places.js';
import { seriesChart } from './series_chart.js';

const BEFORE = 0.5; // of its length an incident is shown with as much of before, at least
const LEAST = 30; // windows of before
const SHOWN_BY = { missing: 'heartbeat_age', behind: 'watermark_lag' }; // facts of a worker, and the metric that shows them
const MOST = 6; // folded ones that are drawn

/** Fills `box` anew whenever it is asked; lives as long as the incident is open in the list. */
export class IncidentChart {
  constructor(ctx, box) {
    this.ctx = ctx;
    this.box = box;
    this.state = el('div');
    this.picture = el('div', { class: 'incident-picture' });
    this.small = el('div', { class: 'small-charts inside' });
    this.key = null;
    this.child = null;
    box.append(this.state, this.picture, this.small);
    ctx.atEnd(() => this.child?.end());
  }

  /** Draw the incident; nothing is asked again while it is the same and no window has closed. */
  update(incident) {
    const { ctx } = this;
    const edge = incident.status === 'resolved' ? (incident.root.end ?? incident.last) : edgeOf(ctx);
    const key = JSON.stringify([incident.episode, incident.status, incident.suppressed.length, Math.round(edge / (ctx.settings?.slide ?? 60)), ctx.zone]);
    if (key === this.key) return;
    this.key = key;
    this.child?.end();
    this.child = ctx.child();
    const near = within(this.child, spanOf(incident, edge, ctx.settings?.slide ?? 60));
    this.draw(incident, near);
  }

  async draw(incident, near) {
    const alerts = [incident.root, ...incident.suppressed.map((item) => item.alert)];
    const found = await Promise.all(alerts.slice(0, 1 + 3 * MOST).map((alert) => seriesOf(near, alert))).catch(() => []);
    if (near.isOver) return;
    const [root, ...folded] = found;
    const drawn = folded.filter((one) => one && one.id !== root?.id).slice(0, MOST);
    this.box.hidden = !root && !drawn.length;
    const markers = [{ time: incident.root.start, text: 'onset', colour: '--broken' }, ...(incident.root.end ? [{ time: incident.root.end, text: 'over', colour: '--healthy' }] : [])];
    this.picture.hidden = !root;
    if (root) seriesChart(this.picture, root, near, { height: 180, markers, heard: (points) => this.stand(incident, root, points) }).update([]);
    put(this.small, drawn.map((series) => {
      const inner = el('div', { class: 'small-box' });
      const head = el('a', { class: 'small-head', href: near.link({ view: 'series', entity: series.entity || null, worker: series.worker || null, metric: series.metric, domain: series.domain }) },
        el('span', { class: 'clip' }, `${format.name(series.metric, 40)} `, el('span', { class: 'muted' }, whose(series))));
      seriesChart(inner, series, near, { height: 92, isSmall: true, markers }).update([]);
      return el('section', { class: 'small-panel' }, head, inner);
    }));
  }

  /** Where the root stands: at the onset, now, and what is usual. */
  stand(incident, series, points) {
    const told = standing(points, incident.root);
    const value = (what) => format.measured(series.metric, what);
    const isOver = incident.status === 'resolved';
    put(this.state, el('dl', { class: 'facts stands' },
      el('div', {}, el('dt', {}, 'At the onset'), el('dd', {}, value(told.onset))),
      el('div', {}, el('dt', {}, isOver ? 'When it was over' : 'Now'), el('dd', {}, value(told.now), isOver || !told.word ? null : chip(told.state, told.word))),
      told.usual === null ? null : el('div', {}, el('dt', {}, 'Usual'), el('dd', {}, value(told.usual)))));
  }
}

/** {onset, now, usual, word, state} of a root by its points; pure. */
export function standing(points, root) {
  const at = (points.time ?? []).map((time, i) => ({ time, value: points.value[i], usual: points.reference?.[i] ?? null, low: points.low?.[i] ?? null, high: points.high?.[i] ?? null })).filter((one) => one.value !== null);
  const inside = at.filter((one) => one.time > root.start);
  if (!inside.length) return { onset: null, now: null, usual: null, word: '', state: 'unknown' };
  const [first, last] = [inside[0], inside.at(-1)];
  const usual = last.usual ?? at.findLast((one) => one.time <= root.start)?.value ?? null;
  if (usual === null) return { onset: first.value, now: last.value, usual, word: inside.length > 1 && last.value > 1.25 * first.value ? 'worse' : '', state: 'broken' };
  const away = (one) => Math.abs(one.value - usual);
  const worst = Math.max(...inside.map(away));
  const isBack = last.low !== null && last.high !== null && last.value >= last.low && last.value <= last.high;
  const word = inside.length < 2 ? '' : isBack ? 'back in its band' : away(last) <= 0.5 * worst ? 'recovering' : away(last) > 1.25 * away(first) ? 'worse' : 'as at the onset';
  return { onset: first.value, now: last.value, usual, word, state: { 'back in its band': 'healthy', recovering: 'watch', worse: 'broken', 'as at the onset': 'degraded' }[word] ?? 'unknown' };
}

function whose(series) {
  return [series.entity ? format.entity(series.entity) : '', series.worker ? `at ${place(series.worker, 40)}` : ''].filter(Boolean).join(' ') || 'the whole job';
}

function spanOf(incident, edge, slide) {
  const { start } = incident.root;
  const before = Math.max(BEFORE * (edge - start), LEAST * slide);
  return { start: start - before, end: edge + (incident.status === 'resolved' ? 0.25 * before : 0) + slide, isRelative: false };
}

/** A context whose range is another one; it ends with the one it is made of. */
function within(ctx, range) {
  const near = Object.create(ctx, { range: { value: range }, isOver: { value: false, writable: true } });
  ctx.atEnd(() => { near.isOver = true; });
  return near;
}

/** The series that an alert is about, or that shows it; null where it has none, as facts that no metric stands behind. */
async function seriesOf(ctx, alert) {
  const asked = { worker: alert.worker, domain: alert.domain, entity: alert.entity, metric: SHOWN_BY[alert.metric] ?? alert.metric, limit: 2 };
  const found = await ctx.get('series', asked).catch(() => []);
  return found[0] ?? null;
}
