// Traces: what each worker traces, as it says itself; a form to change it; the tensors that came.

import { ago, duration, nowOf } from '../clock.js';
import { chip, el, empty, panel, put } from '../dom.js';
import * as format from '../format.js';
import { PlanForm } from '../plan_form.js';
import { bytesPace, look, phrase, plansOf, tally } from '../plans.js';
import { tensorPicture } from '../tensor_pictures.js';

export const title = 'Traces';
const AGAIN = 5000; // milliseconds between two looks for tensors, which no event tells of
const FIGURES = ['Can trace', 'Sent by then', 'Dropped by then', 'Last report']; // of a worker
const RUNS = { running: ['healthy', 'running'], off: ['unknown', 'off'], tripped: ['broken', 'tripped'], stopped: ['unknown', 'stopped'] };

/** Mount the view; returns what follows the state. */
export function mount(root, ctx) {
  const plans = panel('Plans, as the workers report them');
  const kept = el('span', { class: 'muted small ids' });
  const workers = panel('Workers', kept);
  const change = panel('Change what is traced');
  const counted = el('span');
  const tensors = panel('Tensors received', counted);
  const chosen = el('div', { class: 'tensor' });
  const list = el('div');
  put(tensors.body, list, chosen);
  const form = new PlanForm(ctx, () => load());
  put(change.body, form.box);
  put(root, el('h1', { class: 'visually-hidden' }, `Traces of ${format.name(ctx.job)}`), plans.box, workers.box, change.box, tensors.box);
  let traced = { plans: [], status: [], catalogue: [] };
  let received = [];

  const draw = () => {
    drawPlans(plans.body, plansOf(traced), ctx, load);
    drawWorkers(workers.body, traced, ctx);
    put(kept, traced.ids ? `one id in ${traced.ids.modulus} is kept to find duplicates, by their rate, from ${ctx.time(traced.ids.start)} on` : '');
    form.update(traced.catalogue);
  };
  const load = () => ctx.load(plans.body, (signal) => ctx.get('traces', {}, signal), (found) => { traced = found; draw(); });
  const drawTensors = () => {
    put(counted, received.length ? `the last ${received.length}, newest first` : '');
    drawList(list, received, ctx);
  };
  const loadTensors = () => ctx.load(list, (signal) => ctx.get('tensors', { limit: 60 }, signal), (found) => {
    const isNew = JSON.stringify(found) !== JSON.stringify(received);
    received = found;
    if (isNew || !list.hasChildNodes() || list.querySelector('.skeleton, .failed')) drawTensors();
  });
  const loadChosen = () => {
    if (!ctx.state.tensor) return put(chosen);
    return ctx.load(chosen, (signal) => ctx.get(`tensors/${encodeURIComponent(ctx.state.tensor)}`, {}, signal), (found) => tensorPicture(chosen, found, ctx));
  };
  ctx.on(['status', 'catalogue'], (came) => { if (came.some((event) => ctx.isMine(event))) load(); });
  const timer = setInterval(() => { if (!ctx.page.stream.isPaused && !document.hidden) loadTensors(); }, AGAIN);
  ctx.atEnd(() => clearInterval(timer));
  ctx.exports(() => ({ name: `traces-${ctx.job}`, rows: plansOf(traced).flatMap((plan) => plan.workers.map((one) => ({ plan: plan.plan, revision: plan.revision, ...one }))) }));
  load();
  loadTensors();
  loadChosen();
  return {
    refreshed() {},
    update(state, before) {
      if (state.tensor !== before.tensor) {
        drawTensors();
        loadChosen();
      }
      if (state.tz !== before.tz || state.worker !== before.worker) draw();
    },
    back() {
      if (!ctx.state.tensor) return false;
      ctx.set({ tensor: null });
      return true;
    },
  };
}

function drawPlans(box, plans, ctx, load) {
  if (!plans.length) return put(box, empty('No plan is in force.', 'Every worker traces what it was started with; a plan below changes that for a while.'));
  put(box, el('ul', { class: 'plans' }, plans.map((plan) => el('li', { class: 'plan', data: { plan: plan.plan } },
    el('div', { class: 'plan-head' }, el('b', {}, format.name(plan.plan, 60)), el('span', { class: 'muted' }, `revision ${plan.revision}`), el('span', {}, tally(plan)),
      el('span', { class: 'muted small' }, about(plan, ctx)), plan.workers.some((one) => ['applied', 'applying'].includes(one.state)) && !plan.isGone ? endButton(plan, ctx, load) : null),
    el('ul', { class: 'selects' }, plan.off ? el('li', { class: 'is-watch' }, 'everything off') : null, (plan.select ?? []).map((select) => el('li', { class: 'mono' }, format.name(phrase(select), 300)))),
    el('ul', { class: 'answers', 'aria-label': 'What the workers say' }, plan.workers.map((one) => answer(one, ctx)))))));
}

function about(plan, ctx) {
  if (plan.isGone) return 'no longer on the control topic';
  const by = plan.author ? `by ${format.name(plan.author, 40)} ` : '';
  const why = plan.reason ? `, ${format.name(plan.reason, 160)}` : '';
  return `${by}${ctx.time(plan.issued)}, for ${duration(plan.expires)}${why}`;
}

function answer(one, ctx) {
  const [state, word] = look(one.state);
  const left = one.state === 'applied' && one.until ? `until ${ctx.time(one.until)}` : '';
  const cost = ['applied', 'applying'].includes(one.state) ? `${one.matched ?? 0} traced, about ${bytesPace(one.bytes_s ?? 0)}` : '';
  const still = one.standing ? `revision ${one.standing} stays in force` : '';
  return el('li', { class: 'answer', data: { worker: one.worker, state: one.state } }, el('span', { class: 'clip' }, format.name(one.worker, 60)), chip(state, word),
    el('span', { class: 'muted small' }, [one.reason && format.name(one.reason, 300), cost, left, still].filter(Boolean).join(', ')));
}

/** End a plan by a revision of it that runs out at once. */
function endButton(plan, ctx, load) {
  return el('button', { type: 'button', class: 'plan-end', on: { click: async (event) => {
    const button = event.currentTarget;
    button.disabled = true;
    try {
      await ctx.post('trace', { select: plan.select ?? [], off: Boolean(plan.off), name: plan.plan, workers: plan.target?.workers ?? [], expires: 1, budget: plan.budget ?? {}, reason: 'ended from the page' });
      ctx.announce('End of the plan sent.');
      load();
    } catch (error) {
      ctx.announce(`${error.message}. ${error.remedy}`);
      button.disabled = false;
    }
  } } }, 'End now');
}

/** A cell of the workers' table with its head, which stands beside it where the table is narrow. */
function figure(column, text, more = {}) {
  return el('td', { class: 'num', data: { head: FIGURES[column] }, ...more }, text);
}

function drawWorkers(box, traced, ctx) {
  if (!traced.status.length) return put(box, empty('No worker has reported yet.', 'A tracer reports with its first records.'));
  const listed = new Map(traced.catalogue.map((one) => [one.worker, one.entries?.length ?? 0]));
  const chosen = ctx.state.worker;
  const shown = traced.status.filter((one) => !chosen || one.worker === chosen);
  put(box, el('div', { class: 'scroll' }, el('table', { class: 'workers' }, el('thead', {}, el('tr', {}, ['Worker', 'Tracer', 'In force'].map((word) => el('th', {}, word)), FIGURES.map((word) => el('th', { class: 'num' }, word)))),
    el('tbody', {}, shown.map((one) => {
      const [state, word] = RUNS[one.state] ?? ['broken', one.fault ? 'unreadable report' : 'unknown'];
      const held = (one.plans ?? []).filter((plan) => plan.state === 'applied').map((plan) => `${plan.plan} ${plan.revision}`);
      const dropped = Object.entries(one.counters ?? {}).filter(([name]) => name.startsWith('dropped')).reduce((sum, [, count]) => sum + count, 0);
      return el('tr', {}, el('td', {}, format.name(one.worker, 60)), el('td', {}, chip(state, word), one.fault ? el('span', { class: 'small is-broken' }, ` ${format.name(one.fault, 160)}`) : null),
        el('td', { class: 'small' }, held.length ? format.name(held.join(', '), 120) : el('span', { class: 'muted' }, 'as started')), figure(0, listed.has(one.worker) ? format.count(listed.get(one.worker)) : '\u2013'),
        figure(1, format.count(one.counters?.sent)), figure(2, format.count(dropped), { class: `num${dropped ? ' is-degraded' : ''}` }), figure(3, since(one.time, ctx), { class: 'num muted', title: ctx.time(one.time, true) }));
    })))));
}

function since(time, ctx) {
  if (time === undefined) return '\u2013';
  return ctx.about.clock === 'wall' ? ago(nowOf(ctx) - time) : ctx.time(time);
}

function drawList(box, received, ctx) {
  if (!received.length) return put(box, empty('No raw array has come.', 'Ask for \u201craw arrays\u201d in the form above; statistics come as series instead.'));
  const shown = received.filter((one) => !ctx.state.worker || one.worker === ctx.state.worker);
  const held = box.contains(document.activeElement) ? document.activeElement.dataset.offset : null;
  put(box, el('ul', { class: 'rows tensors' }, shown.map((one) => {
    const isOpen = String(one.offset) === ctx.state.tensor;
    return el('li', {}, el('a', { class: 'row tensor-row', data: { row: '', offset: one.offset }, href: ctx.link({ tensor: isOpen ? null : one.offset }), 'aria-current': isOpen ? 'true' : null },
      el('span', { class: 'clip' }, format.name(one.name, 120)), el('span', { class: 'muted small' }, one.collection), el('span', { class: 'muted small clip' }, format.name(one.worker, 40)), el('span', { class: 'num small' }, `step ${format.count(one.step)}`), el('span', { class: 'num small muted' }, ctx.time(one.time))));
  })));
  if (held) box.querySelector(`[data-offset="${Number(held)}"]`)?.focus({ preventScroll: true });
}
