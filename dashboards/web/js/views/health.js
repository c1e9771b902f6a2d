// Pipeline health: what became of the records, how far behind each worker and queue is, and what could not be used.

import * as api from '../api.js';
import { chip, el, empty, panel, put } from '../dom.js';
import * as format from '../format.js';
import { sparkline } from '../sparkline.js';

export const title = 'Health';
const AGAIN = 3000; // milliseconds between two looks at the queues
const COUNTS = {
  records: ['records in', ''], points: ['points', ''], late: ['late', 'watch'], duplicate: ['duplicates', ''], superseded: ['superseded', ''], clamped: ['clamped', 'watch'],
  overflow: ['over the limit', 'degraded'], dead: ['dead letters', 'broken'], lost: ['lost', 'degraded'],
};
const HELP = {
  late: 'came after their window had closed', duplicate: 'records that came again, dropped', superseded: 'records of an incarnation that was replaced, dropped', clamped: 'times too far ahead, set to the bound',
  overflow: 'points of series beyond the limit, folded into one', dead: 'records that could not be used', lost: 'gaps in the numbers of a worker',
};

/** Mount the view; returns what follows the state. */
export function mount(root, ctx) {
  const state = el('span', { class: 'states', 'aria-live': 'polite' });
  const flow = panel('Records', state);
  const queues = panel('Queues and consumers');
  const lag = panel('Watermark lag by worker');
  const disk = panel('Disk and state');
  const dead = panel('Dead letters');
  put(root, el('h1', { class: 'visually-hidden' }, 'Pipeline health'), flow.box, el('div', { class: 'two' }, queues.box, el('div', { class: 'stack' }, lag.box, disk.box)), dead.box);
  let health = null;
  let letters = [];

  let drawn = '';

  const load = () => ctx.load(flow.body, (signal) => api.get('/health', {}, signal), (found) => {
    health = found;
    const key = JSON.stringify([{ ...found, now: 0 }, ctx.state]);
    if (key === drawn && flow.body.querySelector('.counts-of, .empty:not(.failed)')) return; // what has the focus keeps it
    drawn = key;
    const row = ctx.jobs.find((one) => one.job === ctx.job);
    put(state, row?.state === 'stale' ? [chip('stale', `no data for ${format.duration(Math.round(row.age))}`), ' '] : null, chip(found.ready ? 'healthy' : 'broken', found.ready ? 'ready' : 'not ready'), found.unready.length ? el('span', { class: 'small is-broken' }, format.name(found.unready.join('; '), 300)) : null);
    drawFlow(flow.body, found, ctx);
    drawQueues(queues.body, found);
    drawDisk(disk.body, found);
  });
  const loadDead = () => ctx.load(dead.body, (signal) => api.get('/dead-letters', { limit: 100 }, signal), (found) => {
    if (JSON.stringify(found) === JSON.stringify(letters) && dead.body.querySelector('.dead-state')) return;
    letters = found;
    drawDead(dead.body, found, health, ctx);
  });
  const loadLag = () => ctx.load(lag.body, (signal) => lags(ctx, signal), (found) => drawLag(lag.body, found, ctx));
  const timer = setInterval(() => {
    if (ctx.page.stream.isPaused || document.hidden) return;
    load();
    loadDead();
  }, AGAIN);
  ctx.atEnd(() => clearInterval(timer));
  ctx.exports(() => ({ name: 'health', rows: Object.entries(health?.jobs ?? {}).map(([job, counts]) => ({ job, ...counts })) }));
  load().then(loadDead);
  loadLag();
  return { refreshed: () => loadLag(), update: () => { load(); loadLag(); }, back: () => false };
}

function drawFlow(box, found, ctx) {
  const names = Object.keys(COUNTS);
  const jobs = Object.entries(found.jobs);
  const own = jobs.find(([job]) => job === ctx.job)?.[1] ?? {};
  const tiles = names.map((name) => el('div', { class: 'count' }, el('dt', { title: HELP[name] ?? '' }, COUNTS[name][0]), el('dd', { class: own[name] && COUNTS[name][1] ? `is-${COUNTS[name][1]}` : '' }, format.count(own[name]))));
  const others = jobs.length > 1 ? el('div', { class: 'scroll' }, el('table', { class: 'flow' }, el('thead', {}, el('tr', {}, el('th', {}, 'Job'), names.map((name) => el('th', { class: 'num', title: HELP[name] ?? '' }, COUNTS[name][0])), el('th', { class: 'num' }, 'As of'))),
    el('tbody', {}, jobs.map(([job, counts]) => el('tr', { 'aria-current': job === ctx.job ? 'true' : null }, el('td', { class: 'clip' }, el('a', { href: ctx.link({ job }) }, format.name(job, 60))),
      names.map((name) => el('td', { class: `num${counts[name] && COUNTS[name][1] ? ` is-${COUNTS[name][1]}` : ''}` }, format.count(counts[name]))), el('td', { class: 'num muted' }, ctx.time(counts.time))))))) : null;
  put(box, own.records === undefined ? empty(`Nothing was counted for ${format.name(ctx.job, 60)} yet.`, 'Counts come with each closed window.') : [el('dl', { class: 'counts-of' }, tiles), el('p', { class: 'muted small' }, `of ${format.name(ctx.job, 60)}, as of ${ctx.time(own.time)}`)], others);
}

function drawQueues(box, found) {
  const store = found.store?.kind ? [['store', { alive: true, ...found.store }]] : [];
  const rows = [...Object.entries(found.consumers), ...store];
  put(box, el('div', { class: 'scroll' }, el('table', { class: 'queues' }, el('thead', {}, el('tr', {}, el('th', {}, 'Consumer'), el('th', {}, 'State'), el('th', { class: 'num' }, 'Waiting'), el('th', { class: 'num' }, 'Sent'))),
    el('tbody', {}, rows.map(([name, one]) => {
      const sent = name === 'store' && { sent: found.store.sent, failed: found.store.rejected };
      const told = sent || (found.notifiers[name] ?? found.notifiers[name.replace(/^notifier\//, '')]);
      const [state, word] = !one.alive ? ['broken', 'stopped'] : one.failures ? ['degraded', `failing, ${one.failures} in a row`] : ['healthy', 'running'];
      return el('tr', {}, el('td', {}, format.name(name, 60)), el('td', {}, chip(state, word), one.error ? el('p', { class: 'small is-broken queue-error' }, format.name(one.error, 300)) : null),
        el('td', { class: 'num' }, found.lags && name in found.lags ? format.count(found.lags[name]) : el('span', { class: 'muted' }, '\u2013')),
        el('td', { class: 'num' }, told ? [format.count(told.sent), told.failed ? el('span', { class: 'is-broken' }, `, ${told.failed} failed`) : ''] : el('span', { class: 'muted' }, '\u2013')));
    })))), el('p', { class: 'muted small' }, 'Waiting: messages on the bus that it has not taken yet; of the store, lines on disk.'));
}

function drawDisk(box, found) {
  const sizes = Object.entries({ 'store on disk': found.disk?.store, 'log on disk': found.disk?.log, ...Object.fromEntries(Object.entries(found.state ?? {}).map(([name, size]) => [`state of ${name}`, size])) });
  put(box, el('dl', { class: 'sizes' }, sizes.map(([name, size]) => [el('dt', {}, format.name(name, 60)), el('dd', { class: 'num' }, format.bytes(size))])));
}

async function lags(ctx, signal) {
  const series = await ctx.get('series', { metric: 'watermark_lag', limit: 200 }, signal);
  const mine = series.filter((one) => one.worker && (!ctx.state.worker || one.worker === ctx.state.worker)).slice(0, 24);
  const { start, end } = ctx.range;
  const lines = await Promise.all(mine.map((one) => ctx.get('points', { series: one.id, start, end, buckets: 60 }, signal).catch(() => ({}))));
  return mine.map((one, i) => ({ ...one, line: lines[i].value ?? lines[i].mean ?? [] }));
}

function drawLag(box, found, ctx) {
  if (!found.length) return put(box, empty('No worker\u2019s watermark is known yet.', 'It is how far a worker is behind the others: with two of them it comes with the first closed wall-clock window, one alone has none.'));
  const most = Math.max(1e-9, ...found.flatMap((one) => one.line.filter((value) => value !== null)));
  put(box, el('ul', { class: 'lags' }, found.map((one) => el('li', {}, el('span', { class: 'clip', title: format.name(one.worker, 300) }, format.name(one.worker, 60)),
    sparkline(one.line, { high: most, height: 24, label: `lag of ${format.name(one.worker, 60)} over the range` }), el('b', { class: 'num' }, format.duration(one.value)),
    el('span', { class: 'muted small num' }, ctx.time(one.end))))));
}

function drawDead(box, found, health, ctx) {
  const reasons = Object.entries(health?.dead ?? {});
  const head = reasons.length ? el('p', { class: 'dead-state' }, reasons.map(([reason, count]) => el('span', { class: 'reason' }, el('b', { class: 'is-broken' }, format.count(count)), ` ${format.name(reason, 60)}`))) : el('p', { class: 'dead-state muted' }, 'By reason: none.');
  if (!found.length) return put(box, el('div', { class: 'dead-state' }, empty('Every record could be used.', 'What cannot be read or used is kept here, with the reason.')));
  put(box, head, el('ul', { class: 'rows' }, found.map((one) => el('li', {}, el('details', { class: 'dead' }, el('summary', { class: 'row dead-row', data: { row: '' } }, el('b', {}, format.name(one.reason, 40)), el('span', { class: 'clip' }, format.name(one.text, 300)), el('span', { class: 'muted small clip' }, `${format.name(one.topic, 30)} ${format.name(one.key, 40)}`), el('span', { class: 'num muted small' }, format.bytes(one.bytes))),
    el('dl', { class: 'dead-about' }, el('dt', {}, 'Why'), el('dd', {}, format.name(one.text, 2000)), el('dt', {}, 'Identity'), el('dd', { class: 'mono' }, one.identity), el('dt', {}, 'Key'), el('dd', { class: 'mono' }, format.name(one.key, 400)), el('dt', {}, 'Begins'), el('dd', { class: 'mono' }, one.begin.replace(/(..)/g, '$1 '))))))));
}
