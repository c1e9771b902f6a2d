// One job: its scores, what each point was lost to, and what is known of it.

import { el, panel, put } from '../dom.js';
import * as format from '../format.js';
import { scoreChart } from '../score_chart.js';
import { asOf, domains, incidents, summary, told as pages } from '../summary.js';
import { changedList } from '../changed_list.js';
import { waterfall } from '../waterfall.js';

export const title = 'Job';
const RANKED = 10_000; // milliseconds between two rankings, which read every series
const BY = { metric: 'Metrics', entity: 'Entities', domain: 'Domains' };

/** Mount the view; returns what follows the state. */
export function mount(root, ctx) {
  const top = el('section', { class: 'panel detail-top' });
  const scores = panel('Scores');
  const by = el('div', { class: 'choice', role: 'group', 'aria-label': 'Group the parts by' });
  const when = el('span');
  const losses = panel('Where the points went', when, by);
  const told = panel('Incidents');
  const moved = panel('What changed most', el('a', { href: ctx.link({ view: 'changed' }), class: 'more' }, 'all'));
  put(root, el('h1', { class: 'visually-hidden' }, `Job ${format.name(ctx.job)}`), top, scores.box,
    el('div', { class: 'two wide-left' }, losses.box, el('div', { class: 'stack' }, told.box, moved.box)));
  const line = scoreChart(scores.body, ctx, { height: 280 });
  let parts = [];

  const drawTop = (past = null) => {
    const now = ctx.jobs.find((item) => item.job === ctx.job);
    const row = now && past ? asOf(now, past) : now;
    put(top, el('h2', { class: 'detail-name clip', title: format.name(ctx.job, 300) }, format.name(ctx.job, 120)), summary(row, ctx), row?.domains ? domains(row, ctx) : null);
  };
  const isScored = () => ctx.jobs.some((item) => item.job === ctx.job && item.score !== undefined);
  const drawLosses = () => {
    const { isRelative, end } = ctx.range;
    put(by, Object.entries(BY).map(([key, word]) => el('a', { class: 'pill', href: ctx.link({ by: key === 'metric' ? null : key }), 'aria-current': (ctx.state.by ?? 'metric') === key ? 'true' : null }, word)));
    return ctx.load(losses.body, (signal) => ctx.get('breakdown', { at: isRelative ? null : end }, signal), (found) => {
      const chosen = found.domains.find((domain) => domain.domain === ctx.state.domain) ?? found;
      parts = chosen.parts;
      drawTop(isRelative ? null : found);
      put(when, `${chosen.domain} \u00b7 window until ${ctx.time(chosen.end)}`);
      waterfall(losses.body, chosen, { by: ctx.state.by ?? 'metric', most: 24, link: (part) => target(part, ctx) });
      losses.body.append(coverage(chosen));
    });
  };
  let movedAt = -Infinity;
  const drawRange = (isForced = true) => {
    line.update();
    moved.box.querySelector('.more').setAttribute('href', ctx.link({ view: 'changed' }));
    ctx.load(told.body, (signal) => pages(ctx, signal), (answer) => incidents(told.body, answer, ctx, 8));
    if (!isForced && performance.now() - movedAt < RANKED) return;
    movedAt = performance.now();
    ctx.load(moved.body, (signal) => ctx.get('changed', { ...ctx.compared, limit: 8 }, signal), (found) => changedList(moved.body, found, ctx, { isShort: true }));
  };
  const all = (isForced = true) => {
    if (!isScored()) return drawTop();
    if (ctx.range.isRelative) drawTop();
    drawLosses();
    drawRange(isForced);
  };
  ctx.exports(() => ({ name: `breakdown-${ctx.job}`, rows: parts }));
  ctx.on(['change', 'anomaly'], (came) => { if (came.some((event) => ctx.isMine(event))) line.update(); });
  all();
  return {
    aged: () => { if (ctx.range.isRelative) drawTop(); },
    refreshed: () => { if (ctx.range.isRelative || !parts.length) all(false); },
    update(state, before) {
      if (!isScored()) return;
      if (['from', 'to', 'range', 'tz'].some((key) => state[key] !== before[key])) drawRange();
      drawLosses();
    },
    back() {
      const open = ['domain', 'by', 'from'].find((key) => ctx.state[key]);
      if (!open) return false;
      ctx.set(open === 'from' ? { range: null } : { [open]: null });
      return true;
    },
  };
}

/** Where a part leads: a domain opens its parts, an entity its metrics, a metric its series. */
function target(part, ctx) {
  if (part.by === 'domain') return ctx.link({ domain: part.domain, by: 'entity' });
  const place = { view: 'series', domain: part.domain, entity: part.entity || null, worker: part.worker || null };
  return ctx.link(part.by === 'entity' ? place : { ...place, metric: part.metric });
}

function coverage(found) {
  const known = Math.round(found.coverage * 1000) / 10;
  return el('p', { class: 'coverage small' }, el('span', { class: 'meter wide', role: 'img', 'aria-label': `${known} % known` }, el('i', { style: { width: `${known}%`, background: 'var(--muted)' } })),
    ` ${known} % of what is expected is known`, found.coverage < 0.7 ? ': too little to judge by.' : '.');
}
