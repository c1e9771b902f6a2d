// Any metric by entity and worker: pick an entity for all of its metrics, a metric for everything known about it.

import { chip, el, empty, panel, put } from '../dom.js';
import * as format from '../format.js';
import { pictures } from '../pictures.js';
import { markers } from '../score_chart.js';
import { seriesChart } from '../series_chart.js';

export const title = 'Series';
const MOST = 5000; // series that are listed
const CHARTS = 60; // small charts that are drawn
const WHOLE = '-'; // in the address: the job or worker itself, where "" would mean that nothing was chosen
const RELEASES = 30; // the newest ones, that pictures can be compared with
const PAUSE = 5000; // milliseconds between two updates of all charts
const FIRST = ['missing_rate', 'psi', 'iv', 'mean', 'distinct', 'auc', 'pcoc', 'loss', 'label_rate', 'volume'];

/** Mount the view; returns what follows the state. */
export function mount(root, ctx) {
  const picks = el('div', { class: 'picks' });
  const body = el('div', { class: 'stack' });
  put(root, el('h1', { class: 'visually-hidden' }, 'Series'), el('section', { class: 'panel picks-panel', 'aria-label': 'Choose a series' }, picks), body);
  let all = null;
  let rows = () => [];
  let part = null; // the context of what is drawn now
  let refresh = () => {};
  ctx.exports(() => ({ name: `series-${ctx.job}`, rows: rows() }));

  const draw = () => {
    if (!all) return;
    const chosen = choose(all, ctx.state);
    drawPicks(picks, all, chosen, ctx);
    part?.end();
    part = ctx.child();
    ({ rows, refresh } = chosen.series ? drawOne(body, all, chosen.series, part) : drawMany(body, chosen, part));
  };
  const load = () => ctx.load(body, (signal) => ask(ctx, all, signal), (found) => {
    all = found;
    if (!all.length) put(body, empty('No series yet.', 'They come with the first closed window.'));
    else draw();
  });
  load();
  return {
    refreshed: () => { if (ctx.range.isRelative) refresh(); },
    update: () => (all && isMissing(all, ctx.state) ? load() : draw()),
    back() {
      if (ctx.state.metric || ctx.state.series) ctx.set({ metric: null, series: null });
      else if (ctx.state.entity) ctx.set({ entity: null, domain: null });
      else return false;
      return true;
    },
  };
}

/** The series of the job; of one with very many the first, and those of the entity that the address names. */
async function ask(ctx, known, signal) {
  const all = known ?? await ctx.get('series', { limit: MOST }, signal);
  return isMissing(all, ctx.state) ? [...all, ...await ctx.get('series', { entity: ctx.state.entity, limit: MOST }, signal)] : all;
}

function isMissing(all, { entity }) {
  return all.length >= MOST && Boolean(entity) && entity !== WHOLE && !all.some((row) => row.entity === entity);
}

/** What the address means among the series: {entity, domain, worker, metric, mine, series}. */
function choose(all, state) {
  const byId = state.series ? all.find((row) => String(row.id) === state.series) : null;
  const entities = [...new Set(all.map((row) => `${row.entity}\n${row.domain}`))];
  const asked = byId ?? { entity: state.entity === WHOLE || !state.entity ? '' : state.entity, domain: state.domain, worker: state.worker ?? '', metric: state.metric };
  const domain = asked.domain ?? (entities.includes(`${asked.entity}\ntrain`) ? 'train' : all.find((row) => row.entity === asked.entity)?.domain ?? 'sample');
  const mine = all.filter((row) => row.entity === asked.entity && row.domain === domain);
  const ofMetric = asked.metric ? mine.filter((row) => row.metric === asked.metric) : [];
  const series = byId ?? ofMetric.find((row) => row.worker === asked.worker) ?? ofMetric[0] ?? null;
  return { entity: asked.entity, domain, worker: series?.worker ?? asked.worker, metric: asked.metric, mine, series };
}

function drawPicks(box, all, chosen, ctx) {
  const held = box.contains(document.activeElement) ? document.activeElement.getAttribute('aria-label') : null;
  const entities = [...new Map(all.map((row) => [`${row.domain}\n${row.entity}`, row])).values()]
    .sort((a, b) => rank(a) - rank(b) || (a.entity < b.entity ? -1 : 1));
  const groups = new Map();
  for (const row of entities) {
    const group = row.entity ? format.kind(row.entity) || 'other' : 'whole job';
    if (!groups.has(group)) groups.set(group, []);
    groups.get(group).push(row);
  }
  const entity = el('select', { 'aria-label': 'Entity', on: { change: () => {
    const [domain, name] = JSON.parse(entity.value);
    ctx.set({ entity: name || null, domain, metric: null, series: null });
  } } }, [...groups].map(([group, items]) => el('optgroup', { label: group }, items.map((row) => option(JSON.stringify([row.domain, row.entity]), row.entity ? format.entity(row.entity) : `${row.domain} as a whole`, row.entity === chosen.entity && row.domain === chosen.domain)))));
  const names = [...new Set(chosen.mine.map((row) => row.metric))].sort();
  const metric = el('select', { 'aria-label': 'Metric', on: { change: () => ctx.set({ metric: metric.value || null, series: null, domain: chosen.domain, entity: chosen.entity || null }) } },
    option('', 'all metrics', !chosen.series), names.map((name) => option(name, format.name(name, 60), chosen.series?.metric === name)));
  const workers = [...new Set(chosen.mine.map((row) => row.worker))].sort();
  const worker = el('select', { 'aria-label': 'Worker', on: { change: () => ctx.set({ worker: worker.value || null, series: null, domain: chosen.domain, entity: chosen.entity || null, metric: chosen.metric ?? null }) } },
    workers.map((name) => option(name, name ? format.name(name, 60) : 'all workers together', name === chosen.worker)));
  put(box, label('Entity', entity), label('Metric', metric), label('Worker', worker),
    el('span', { class: 'muted small push' }, all.length >= MOST ? `the first ${format.count(MOST)} series` : `${format.count(all.length)} series`));
  if (held) box.querySelector(`[aria-label="${held}"]`)?.focus();
}

function rank(row) {
  return ['', 'feature', 'label', 'loss', 'tensor', 'source'].indexOf(row.entity.split(':')[0]) + (row.entity ? 10 : 0);
}

function option(value, text, isSelected) {
  return el('option', { value, selected: isSelected }, text);
}

function label(text, control) {
  return el('label', {}, el('span', { class: 'muted small' }, text), control);
}

/** Every metric of an entity as small charts, then its distribution; those with anomalies first. */
function drawMany(box, chosen, ctx) {
  const workers = new Set(chosen.mine.map((row) => row.worker));
  const worker = workers.has(chosen.worker) ? chosen.worker : [...workers].sort()[0];
  const mine = chosen.mine.filter((row) => row.worker === worker);
  const charts = el('div', { class: 'small-charts' });
  const shapes = panel('Distribution and curves');
  put(box, charts, shapes.box);
  const cards = [];
  ctx.load(charts, (signal) => anomaliesOf(ctx, signal), (anomalies) => {
    const sick = new Set(anomalies.filter((one) => one.entity === chosen.entity && one.worker === worker).map((one) => one.metric));
    const order = [...mine].sort((a, b) => sick.has(b.metric) - sick.has(a.metric) || place(a.metric) - place(b.metric) || (a.metric < b.metric ? -1 : 1));
    cards.push(...order.slice(0, CHARTS).map((row) => smallChart(row, row.metric, ctx, anomalies, sick.has(row.metric))));
    put(charts, cards.map((card) => card.box));
    if (order.length > CHARTS) charts.append(el('p', { class: 'muted' }, `${order.length - CHARTS} more metrics: choose one above.`));
  });
  const shape = () => drawPictures(shapes.body, chosen.entity, worker, ctx);
  shape();
  return { rows: () => mine, refresh: refreshing(ctx, cards, shape) };
}

function place(metric) {
  const at = FIRST.indexOf(metric);
  return at < 0 ? FIRST.length : at;
}

/** One series large, what was found in it, and the same metric elsewhere. */
function drawOne(box, all, series, ctx) {
  const where = `${series.entity ? format.entity(series.entity) : `${series.domain} domain`}${series.worker ? ` at ${format.name(series.worker, 40)}` : ''}`;
  const newest = el('span');
  const large = panel(`${format.name(series.metric, 60)} of ${where}`, newest);
  const found = panel('Anomalies in this range');
  const shapes = panel('Distribution and curves');
  const siblings = [
    ['By worker', all.filter((row) => row.entity === series.entity && row.metric === series.metric && row.domain === series.domain && row.worker !== series.worker), (row) => row.worker || 'all workers together'],
    ['By entity', all.filter((row) => row.metric === series.metric && row.worker === series.worker && row.domain === series.domain && row.entity !== series.entity && format.kind(row.entity) === format.kind(series.entity)), (row) => format.entity(row.entity)],
  ].filter(([, rows]) => rows.length).map(([name, rows, title]) => ({ box: panel(name, rows.length > 24 ? `the first 24 of ${rows.length}` : ''), rows: rows.slice(0, 24), title }));
  put(box, large.box, el('div', { class: 'two wide-left' }, shapes.box, found.box), siblings.map((item) => item.box.box));
  const line = { rows: () => [], cards: [] };
  ctx.load(found.body, async (signal) => [await anomaliesOf(ctx, signal), await ctx.get('changes', { start: ctx.range.start, end: ctx.range.end }, signal)], ([anomalies, changes]) => {
    const drawn = seriesChart(large.body, series, ctx, {
      markers: markers(changes), told: (value) => put(newest, `last in the range ${format.measured(series.metric, value)}`),
    });
    line.rows = drawn.rows;
    line.cards.push(drawn);
    drawn.update(anomalies);
    drawAnomalies(found.body, anomalies.filter((one) => one.metric === series.metric && one.entity === series.entity && one.worker === series.worker), series, ctx);
    for (const item of siblings) {
      const cards = item.rows.map((row) => smallChart(row, item.title(row), ctx, anomalies, false));
      line.cards.push(...cards);
      put(item.box.body, el('div', { class: 'small-charts inside' }, cards.map((card) => card.box)));
    }
  });
  const shape = () => drawPictures(shapes.body, series.entity, series.worker, ctx);
  shape();
  return { rows: () => line.rows(), refresh: refreshing(ctx, line.cards, shape) };
}

/** Bring the charts that are drawn up to date, every few seconds at most. */
function refreshing(ctx, cards, shape) {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < PAUSE) return;
    last = performance.now();
    const anomalies = await anomaliesOf(ctx).catch(() => null); // what is shown stays; the badge tells of a cut
    if (anomalies) for (const card of cards) card.update(anomalies);
    shape();
  };
}

function anomaliesOf(ctx, signal) {
  return ctx.get('anomalies', { start: ctx.range.start, end: ctx.range.end, limit: 2000 }, signal);
}

function drawPictures(box, entity, worker, ctx) {
  const { start, end } = ctx.range;
  const { against } = ctx.state;
  const ask = async (signal) => [
    await ctx.get('pictures', { entity, worker, start, end, ...(against ? { against } : {}) }, signal),
    await ctx.get('changes', { end, names: 'pushed' }, signal),
  ];
  ctx.load(box, ask, ([found, pushed]) => {
    pictures(box, found, ctx);
    if (pushed.length) box.prepend(pinned(pushed, ctx));
  });
}

/** What the pictures are compared with: the range before, or what was there when a release was pushed. */
function pinned(pushed, ctx) {
  const newest = pushed.slice(-RELEASES).reverse();
  const select = el('select', { 'aria-label': 'Compared with', on: { change: () => ctx.set({ against: select.value || null }) } },
    option('', 'the range before', !ctx.state.against),
    newest.map((one) => option(String(one.time), `before ${format.name(one.text || 'a release', 40)}, ${ctx.time(one.time)}`, String(one.time) === ctx.state.against)));
  return el('p', { class: 'pinned' }, label('Compared with', select));
}

/** A small chart as a link to the large one; drawn when it comes into view. */
function smallChart(row, name, ctx, anomalies, isSick) {
  const inner = el('div', { class: 'small-box' });
  const newest = el('b', { class: 'num', title: 'last in the range' });
  const box = el('article', { class: 'panel small-panel' },
    el('a', { class: 'small-head', data: { row: '' }, href: ctx.link({ metric: row.metric, entity: row.entity || null, domain: row.domain, worker: row.worker || null, series: row.id }) },
      el('span', { class: 'clip' }, format.name(name, 60)), isSick ? chip('broken', 'anomaly') : null, newest), inner);
  let drawn = null;
  const seen = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    seen.disconnect();
    drawn = seriesChart(inner, row, ctx, { height: 120, isSmall: true, told: (value) => put(newest, format.measured(row.metric, value)) });
    drawn.update(anomalies);
  }, { rootMargin: '200px' });
  seen.observe(box);
  ctx.atEnd(() => seen.disconnect());
  return { box, update: (found) => drawn?.update(found) };
}

function drawAnomalies(box, found, series, ctx) {
  if (!found.length) return put(box, el('p', { class: 'muted' }, 'None.'));
  return put(box, el('div', { class: 'scroll' }, el('table', {},
    el('thead', {}, el('tr', {}, ['From', 'Value', 'Expected', 'Score', 'Detector'].map((text, i) => el('th', { class: i > 0 && i < 4 ? 'num' : '' }, text)))),
    el('tbody', {}, found.slice(-50).reverse().map((one) => el('tr', {},
      el('td', {}, ctx.time(one.start), el('div', { class: 'muted small' }, one.end ? `${format.duration(one.end - one.start)} long` : one.kind === 'fact' ? 'a fact' : 'still there')),
      el('td', { class: 'num' }, format.measured(series.metric, one.value)), el('td', { class: 'num muted' }, one.expected === null ? '\u2013' : format.measured(series.metric, one.expected)),
      el('td', { class: 'num' }, one.kind === 'fact' ? 'fact' : `${format.signed(one.score)} \u03c3`), el('td', { class: 'small' }, format.name(one.detector || one.kind, 40))))))));
}
