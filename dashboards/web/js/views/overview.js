// All jobs, worst first; the worst, or the chosen one, is open beside them.

import { changedList } from '../changed_list.js';
import { chip, el, empty, panel, put, renew } from '../dom.js';
import * as format from '../format.js';
import { bandOf, shownScore } from '../jobs.js';
import { scoreChart } from '../score_chart.js';
import { sparkline } from '../sparkline.js';
import { asOf, domains, incidents, summary, told as pages } from '../summary.js';
import { waterfall } from '../waterfall.js';

const RANKED = 10_000; // milliseconds between two rankings, which read every series
const FEW = 3; // jobs beside which there is room for the incidents
export const title = 'Overview';

/** Mount the view; returns what follows the state. */
export function mount(root, ctx) {
  const counts = el('p', { class: 'counts' });
  const search = el('input', { type: 'search', placeholder: 'Search jobs  ( / )', 'aria-label': 'Search jobs', value: ctx.state.q ?? '', on: {
    input: () => ctx.set({ q: search.value || null }, { replace: true }),
    keydown: (event) => { if (event.key === 'Enter') tiles.querySelector('[data-row]')?.focus(); },
  } });
  const tiles = el('div', { class: 'tiles' });
  const beside = el('div', { class: 'beside' }, tiles);
  const open = detail(ctx);
  put(root, el('div', { class: 'overview-head' }, el('h1', { class: 'visually-hidden' }, 'Overview'), counts, search),
    el('div', { class: 'overview' }, beside, open.box));

  const draw = () => {
    put(counts, headline(ctx));
    drawTiles(tiles, ctx);
    const isFew = ctx.jobs.length <= FEW;
    (isFew ? beside : open.low).append(open.told);
    if (isFew) beside.append(open.moved);
    else open.moved.remove();
  };
  ctx.exports(() => ({ name: 'jobs', rows: shown(ctx).map(({ sparkline: _, domains: __, ...row }) => row) }));
  draw();
  open.refreshed();
  return {
    refreshed() {
      draw();
      if (ctx.range.isRelative) open.refreshed();
    },
    aged() {
      draw();
      open.aged();
    },
    update(state, before) {
      drawTiles(tiles, ctx);
      if (['range', 'from', 'to', 'tz'].some((key) => state[key] !== before[key])) open.refreshed();
    },
    back() {
      if (!ctx.state.q) return false;
      search.value = '';
      ctx.set({ q: null }, { replace: true });
      return true;
    },
  };
}

function shown(ctx) {
  const asked = (ctx.state.q ?? '').toLowerCase();
  return ctx.jobs.filter((row) => row.job.toLowerCase().includes(asked));
}

function headline(ctx) {
  const sum = (key) => ctx.jobs.reduce((total, row) => total + (row[key] ?? 0), 0);
  const named = (key) => ctx.jobs.flatMap((row) => row[key] ?? []).join(', ');
  const of = (state) => ctx.jobs.filter((row) => row.state === state).length;
  const parts = [[sum('open_incidents'), 'root cause', 'root causes', 'broken'], [sum('suppressed'), 'folded alert', 'folded alerts', ''],
    [sum('missing_workers'), 'missing worker', 'missing workers', 'broken', named('missing')],
    [sum('silent_workers'), 'silent worker', 'silent workers', 'stale', named('silent')],
    [of('stale'), 'stale job', 'stale jobs', 'stale'], [of('warming') + of('learning'), 'learning', 'learning', 'warming'], [ctx.jobs.length, 'job', 'jobs', '']];
  return parts.filter(([n, , , state]) => n || !state || state === 'broken')
    .map(([n, one, many, state, title]) => el('span', { class: n && state ? `is-${state}` : '', title: title ? format.name(title, 300) : null }, el('b', {}, format.count(n)), ` ${n === 1 ? one : many}`));
}

function drawTiles(box, ctx) {
  const rows = shown(ctx);
  const held = box.contains(document.activeElement) ? document.activeElement.dataset.job : null;
  box.classList.toggle('is-many', ctx.jobs.length > 6);
  if (!rows.length) return put(box, empty(ctx.jobs.length ? 'No job matches.' : 'No job is configured.', ctx.jobs.length ? 'Esc clears the search.' : 'Add a [[jobs]] table to streamgauge.toml.'));
  renew(box, rows.map((row) => tile(row, ctx)));
  if (held !== null) [...box.children].find((item) => item.dataset.job === held)?.focus({ preventScroll: true });
}

function tile(row, ctx) {
  const isOpen = row.job === ctx.job;
  const head = [el('span', { class: 'tile-name clip', title: format.name(row.job, 300) }, format.name(row.job, 80)), chip(row.state, row.word)];
  const attributes = { class: `tile state-${row.state}`, href: ctx.link({ job: row.job, worker: null, entity: null }), data: { row: '', job: row.job }, 'aria-current': isOpen ? 'true' : null };
  if (row.score === undefined) return el('a', attributes, head, el('p', { class: 'muted small tile-wait' }, 'no score yet'));
  return el('a', attributes, head,
    el('b', { class: `tile-score is-${row.state}` }, format.score(shownScore(row, row.score))),
    el('span', { class: 'tile-change muted small' }, `${Number.isFinite(row.change) ? `${format.signed(row.change)} in 1 h \u00b7 ` : ''}${row.age < 1 ? ctx.time(row.last_data) : `${format.duration(Math.round(row.age))} ago`}`),
    sparkline(row.sparkline.map((point) => point.score), { colour: `--${row.state}`, label: `the last ${row.sparkline.length} scores` }),
    el('span', { class: 'tile-domains' }, row.domains.map((domain) => [domain, shownScore(row, domain.score)]).map(([domain, score]) => el('span', { title: `${domain.domain} ${format.score(score)}` },
      el('i', {}, domain.domain), el('b', score === null ? {} : { class: `is-${bandOf(score)}` }, score === null ? '\u2013' : Math.round(score))))),
    row.open_incidents ? el('span', { class: 'tile-open is-broken small' }, `${row.open_incidents} open`) : null);
}

function detail(ctx) {
  const name = el('h2', { class: 'detail-name clip' });
  const top = el('div');
  const scores = panel('Scores');
  const losses = panel('Where the points went', el('a', { class: 'more' }, 'all parts'));
  const told = panel('Incidents');
  const moved = panel('What changed most', el('a', { class: 'more' }, 'all'));
  moved.box.classList.add('only-wide');
  let rankedAt = -Infinity;
  const rank = () => {
    if (!moved.box.isConnected || !moved.box.offsetParent || performance.now() - rankedAt < RANKED) return;
    rankedAt = performance.now();
    moved.box.querySelector('.more').setAttribute('href', ctx.link({ view: 'changed', job: ctx.job }));
    ctx.load(moved.body, (signal) => ctx.get('changed', { ...ctx.compared, limit: 6 }, signal), (found) => changedList(moved.body, found, ctx, { isShort: true }));
  };
  const low = el('div', { class: 'two' }, losses.box);
  const box = el('div', { class: 'detail' }, el('section', { class: 'panel detail-top' }, name, top), scores.box, low);
  const line = scoreChart(scores.body, ctx, { height: 200 });
  const drawTop = (row) => put(top, summary(row, ctx), row?.domains ? domains(row, ctx) : null);
  const refreshed = () => {
    const row = ctx.jobs.find((item) => item.job === ctx.job);
    const { isRelative, end } = ctx.range;
    put(name, el('a', { href: ctx.link({ view: 'job', job: ctx.job }) }, format.name(ctx.job, 120)));
    if (isRelative || row?.score === undefined) drawTop(row);
    losses.box.querySelector('.more').setAttribute('href', ctx.link({ view: 'job', job: ctx.job }));
    if (row?.score === undefined) return;
    line.update();
    ctx.load(losses.body, (signal) => ctx.get('breakdown', { at: isRelative ? null : end }, signal), (found) => {
      if (!isRelative) drawTop(asOf(row, found));
      waterfall(losses.body, found, {
        most: 8, link: (part) => ctx.link({ view: 'series', job: ctx.job, domain: part.domain, entity: part.entity || null, worker: part.worker || null, metric: part.metric }),
      });
    });
    ctx.load(told.body, (signal) => pages(ctx, signal), (answer) => incidents(told.body, answer, ctx, 8));
    rank();
  };
  const aged = () => { if (ctx.range.isRelative) drawTop(ctx.jobs.find((item) => item.job === ctx.job)); };
  return { box, low, told: told.box, moved: moved.box, refreshed, aged };
}
