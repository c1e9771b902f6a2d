// Incidents: the root is the row, what it suppresses is folded beneath it, and every decision says why.

import * as api from '../api.js';
import { chip, el, empty, panel, put } from '../dom.js';
import { edgeOf, duration } from '../clock.js';
import * as format from '../format.js';
import { IncidentDetail } from '../incident_detail.js';
import { placeOf } from '../places.js';
import { silencePanel } from '../silences.js';
import { quiet } from '../summary.js';

export const title = 'Incidents';
const MOST = 200;
const EVENTS = ['notification', 'decision', 'ack', 'silence', 'unsuppress', 'change'];
const SHOWN = { all: 'All', open: 'Open' };

/** Mount the view; returns what follows the state. */
export function mount(root, ctx) {
  const choice = el('div', { class: 'choice', role: 'group', 'aria-label': 'Which incidents' });
  const counted = el('span', { 'aria-live': 'polite' });
  const audit = el('a', { class: 'pill', download: '', title: 'Every decision, notification and action of this range' }, 'Audit (CSV)');
  const list = panel('Incidents', counted, choice, audit);
  const silent = silencePanel(ctx, () => detail?.reload());
  put(root, el('h1', { class: 'visually-hidden' }, `Incidents of ${format.name(ctx.job)}`), silent.box, list.box);
  let found = [];
  let detail = null;

  let drawn = '';

  const draw = () => {
    const key = JSON.stringify([found, ctx.state, Math.round(edgeOf(ctx) / 60)]);
    if (key === drawn && list.body.querySelector('.incidents')) return; // what is typed and scrolled stays
    drawn = key;
    put(choice, Object.entries(SHOWN).map(([key, word]) => el('a', { class: 'pill', href: ctx.link({ show: key === 'all' ? null : key }), 'aria-current': (ctx.state.show ?? 'all') === key ? 'true' : null }, word)));
    const shown = found.filter((one) => fits(one, ctx));
    put(counted, words(shown));
    const { start, end } = ctx.range;
    audit.href = `/api/jobs/${encodeURIComponent(ctx.job)}/audit.csv?start=${start}&end=${end + 1}&limit=50000`;
    if (!shown.length) return put(list.body, nothing(ctx, found.length));
    if (detail?.id !== ctx.state.incident) detail = null;
    const held = heldIn(list.body);
    put(list.body, el('ul', { class: 'rows incidents' }, shown.map((one) => row(one, ctx, () => {
      detail ??= new IncidentDetail(ctx, one.id);
      detail.update(one);
      return detail.box;
    }))));
    held?.();
  };
  const load = () => ctx.load(list.body, (signal) => ask(ctx, signal), (answer) => { found = answer; draw(); });
  ctx.on(EVENTS, (came) => {
    if (!came.some((event) => ctx.isMine(event))) return;
    load();
    silent.load();
    detail?.reload();
  });
  ctx.exports(() => ({ name: `incidents-${ctx.job}`, rows: found.filter((one) => fits(one, ctx)).map(flat) }));
  load();
  silent.load();
  return {
    refreshed: () => { if (found.length) draw(); },
    update(state, before) {
      const isAsked = ['from', 'to', 'range'].some((key) => state[key] !== before[key]) || (state.incident && !found.some((one) => one.id === state.incident));
      if (isAsked) load();
      else draw();
      if (state.incident && state.incident !== before.incident) list.body.querySelector('.incident.is-open')?.scrollIntoView({ block: 'nearest' });
    },
    back() {
      const open = ['why', 'incident', 'show'].find((key) => ctx.state[key]);
      if (!open) return false;
      ctx.set({ [open]: null, why: null });
      return true;
    },
  };
}

/** The incidents of the range, with the one that the address names wherever it lies. */
async function ask(ctx, signal) {
  const { start, end } = ctx.range;
  const found = await ctx.get('incidents', { start, end, limit: MOST }, signal);
  const wanted = ctx.state.incident;
  if (!wanted || found.some((one) => one.id === wanted)) return found;
  try {
    const other = await api.get(`/incidents/${encodeURIComponent(wanted)}`, {}, signal);
    return [{ ...other, id: wanted, isOutside: true }, ...found.filter((one) => one.episode !== other.episode)];
  } catch (error) {
    if (error.status !== 404) throw error;
    return found;
  }
}

function fits(one, ctx) {
  const { worker, entity, show, incident } = ctx.state;
  if (one.id === incident) return true;
  const alerts = [one.root, ...one.suppressed.map((item) => item.alert)];
  return (show !== 'open' || one.status !== 'resolved')
    && (!worker || alerts.some((alert) => alert.worker === worker)) && (!entity || alerts.some((alert) => alert.entity === entity));
}

function words(shown) {
  const open = shown.filter((one) => one.status !== 'resolved').length;
  const folded = shown.reduce((sum, one) => sum + one.suppressed.length, 0);
  return `${shown.length} ${shown.length === 1 ? 'root cause' : 'root causes'}, ${open} open, ${folded} ${folded === 1 ? 'alert' : 'alerts'} folded`;
}

function nothing(ctx, others) {
  if (others) return empty('No incident fits the filter.', `${others} in this range; remove the filter at the top, or show all.`);
  const box = el('div', {}, empty(`Nobody was paged about ${format.name(ctx.job, 40)} in this range.`, 'A longer range shows older incidents.'));
  const { start } = ctx.range;
  ctx.get('incidents', { start: 0, end: start, limit: 4 }).then((before) => { if (before.length) put(box, quiet(ctx, before)); }).catch(() => {});
  return box;
}

function row(one, ctx, detail) {
  const isOpen = ctx.state.incident === one.id;
  const isOver = one.status === 'resolved';
  const last = isOver ? one.root.end ?? one.last : edgeOf(ctx);
  const where = placeOf(one);
  const said = [where, one.root.text].join(': ');
  return el('li', { class: `incident${isOpen ? ' is-open' : ''}${isOver ? ' is-over' : ''}` },
    el('a', { class: 'row incident-head', href: ctx.link({ incident: isOpen ? null : one.id, why: null }), data: { row: '', key: one.id }, 'aria-expanded': isOpen ? 'true' : 'false' },
      isOver ? chip('healthy', 'over') : chip('broken', 'open'),
      el('span', { class: 'incident-what', title: format.name(said, 400) }, el('b', {}, where), ' ', el('span', { class: 'muted' }, format.name(one.root.text || one.root.metric, 160))),
      el('span', { class: 'incident-since muted' }, el('span', { class: 'visually-hidden' }, 'since '), ctx.time(one.root.start)),
      el('span', { class: 'incident-length num', title: isOver ? 'how long it lasted' : 'how long it has lasted' }, duration(last - one.root.start)),
      el('span', { class: 'incident-severity muted' }, one.root.severity),
      el('span', { class: 'incident-folded num' }, one.suppressed.length ? `${one.suppressed.length} folded` : el('span', { class: 'muted' }, 'none folded'))),
    one.isOutside && isOpen ? el('p', { class: 'muted small incident-outside' }, 'Outside the chosen range; shown because the address names it.') : null,
    isOpen ? detail() : null);
}

/** What has the focus, to give it back after the rows are drawn again. */
function heldIn(box) {
  const active = document.activeElement;
  if (!box.contains(active)) return null;
  const { key } = active.closest('[data-key]')?.dataset ?? {};
  return () => {
    if (active.isConnected) active.focus({ preventScroll: true });
    else [...box.querySelectorAll('[data-key]')].find((item) => item.dataset.key === key)?.focus({ preventScroll: true });
  };
}

function flat(one) {
  return {
    id: one.id, job: one.job, status: one.status, place: one.root.node, metric: one.root.metric, severity: one.root.severity, start: one.root.start,
    end: one.root.end, told: one.time, text: one.root.text, suppressed: one.suppressed.map((item) => item.alert.node),
  };
}
