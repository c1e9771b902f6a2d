// Topology: what depends on what, left to right; the root is ringed and named, what it suppresses is dimmed.

import * as api from '../api.js';
import { chain } from '../chain.js';
import { edgeOf } from '../clock.js';
import { chip, el, empty, panel, put, svg } from '../dom.js';
import * as format from '../format.js';
import { build, shown } from '../graph.js';
import { learntPanel } from '../learnt.js';
import { filterOf, place } from '../places.js';
import { BOX, arrange, draw } from '../topology_drawing.js';
import { Viewport } from '../viewport.js';

export const title = 'Topology';
const FEW = 40; // with at most so many places all are drawn from the start
const STATES = { root: 'broken', suppressed: 'stale', firing: 'watch', quiet: 'healthy' };

/** Mount the view; returns what follows the state. */
export function mount(root, ctx) {
  const which = el('div', { class: 'choice incident-choice', role: 'group', 'aria-label': 'Which incident' });
  const amount = el('div', { class: 'choice', role: 'group', 'aria-label': 'How much is drawn' });
  const picture = svg('svg', { class: 'topology', tabindex: 0, role: 'group', 'aria-label': 'Topology: causes at the left, effects at the right. Arrow keys move it, plus and minus zoom.' });
  const view = new Viewport(picture);
  ctx.atEnd(() => view.end());
  const search = el('input', { type: 'search', placeholder: 'Find a place  ( / )', 'aria-label': 'Find a place', on: { change: () => find(), keydown: (event) => { if (event.key === 'Enter') find(); } } });
  const graph = panel('Topology', which, amount, search, view.tools);
  const revision = el('span');
  const beside = panel('Places', revision);
  const learnt = learntPanel(ctx, () => load());
  const body = el('div');
  put(graph.body, body);
  put(root, el('h1', { class: 'visually-hidden' }, `Topology of ${format.name(ctx.job)}`), graph.box, beside.box, learnt.box);
  let data = null;
  let model = null;
  let drawn = null;

  const find = () => {
    const asked = search.value.trim().toLowerCase();
    if (!asked || !model) return;
    const hit = [...model.nodes.keys()].sort().find((id) => place(id, 400).toLowerCase().includes(asked) || id.toLowerCase().includes(asked));
    if (hit) ctx.set({ node: hit, ...filterOf(hit) });
    else ctx.announce('No such place.');
  };

  const redraw = ({ isMoved = false } = {}) => {
    const incidents = chosenIncidents(data.incidents, ctx);
    model = build(data.topology, incidents, ctx.state.incident ? [] : data.anomalies);
    if (!model.nodes.size) return put(body, empty('Nothing is known of this job\u2019s parts yet.', 'Places come with its features and workers, or from [[jobs.topology]] in the configuration.'));
    const isAll = ctx.state.places ? ctx.state.places === 'all' : model.nodes.size <= FEW;
    const held = document.activeElement?.dataset?.node;
    const chosen = model.nodes.has(ctx.state.node) ? ctx.state.node : null;
    drawn = shown(model, isAll, chosen);
    const layout = arrange(drawn);
    draw(picture, drawn, layout, { chosen, link: (node) => linkOf(node, chosen, ctx) });
    view.size = layout.size;
    picture.classList.toggle('has-impact', incidents.length > 0);
    picture.style.height = `${Math.min(640, Math.max(240, layout.size[1]))}px`;
    if (!picture.isConnected) put(body, picture, legend());
    const centre = () => {
      const focus = chosen ?? incidents[0]?.root.node;
      const [x, y] = layout.at.get(focus) ?? [0, 0];
      view.show(x + BOX.width / 2, y + BOX.height / 2);
    };
    view.home = centre;
    if (isMoved || !view.isTouched) centre();
    else view.apply();
    if (held) [...picture.querySelectorAll('[data-node]')].find((item) => item.dataset.node === held)?.focus({ preventScroll: true });
    put(amount, [['near', 'Near incidents'], ['all', `All ${format.count(model.nodes.size)}`]].map(([key, word]) => el('a', { class: 'pill', href: ctx.link({ places: key }), 'aria-current': (key === 'all') === isAll ? 'true' : null }, word)));
    put(which, pills(data.incidents, incidents, ctx));
    put(revision, `revision ${data.topology.revision}`);
    put(beside.body, chosen ? about(model, chosen, ctx) : alerting(model, incidents, ctx));
  };
  const load = () => ctx.load(body, (signal) => ask(ctx, signal), (answer) => {
    data = answer;
    if (!body.contains(picture)) put(body);
    redraw();
  });
  ctx.on(['notification', 'decision', 'anomaly', 'topology'], (came) => { if (came.some((event) => ctx.isMine(event))) load(); }, { gather: 1000 });
  ctx.exports(() => ({ name: `topology-${ctx.job}`, rows: [...(model?.nodes.values() ?? [])].map(({ id, state, word, text, by }) => ({ place: id, state, word, text, by })) }));
  load();
  learnt.load();
  return {
    refreshed() {},
    update(state, before) {
      if (['from', 'to', 'range'].some((key) => state[key] !== before[key])) load();
      else if (data) redraw({ isMoved: ['places', 'incident'].some((key) => state[key] !== before[key]) || (state.node !== before.node && state.node && !drawn.nodes.some((node) => node.id === state.node)) });
    },
    back() {
      const open = ['node', 'incident', 'places'].find((key) => ctx.state[key]);
      if (!open) return false;
      ctx.set(open === 'node' ? { node: null, entity: null, worker: null } : { [open]: null });
      return true;
    },
  };
}

async function ask(ctx, signal) {
  const { start, end } = ctx.range;
  const [topology, incidents, anomalies] = await Promise.all([
    ctx.get('topology', {}, signal), ctx.get('incidents', { start, end, limit: 50 }, signal), ctx.get('anomalies', { start: end - 1, end, limit: 1000 }, signal)]);
  const wanted = ctx.state.incident;
  if (wanted && !incidents.some((one) => one.id === wanted)) {
    const other = await api.get(`/incidents/${encodeURIComponent(wanted)}`, {}, signal).catch(() => null);
    if (other) incidents.unshift({ ...other, id: wanted });
  }
  return { topology, incidents, anomalies: anomalies.filter((one) => one.end === null && one.kind === 'anomaly') };
}

/** The one that the address names, else those that are open. */
function chosenIncidents(incidents, ctx) {
  const named = incidents.filter((one) => one.id === ctx.state.incident);
  return named.length ? named : incidents.filter((one) => one.status !== 'resolved');
}

function pills(all, chosen, ctx) {
  const open = all.filter((one) => one.status !== 'resolved').length;
  const named = ctx.state.incident && chosen.length === 1 ? chosen[0] : null;
  const past = all.filter((one) => one.status === 'resolved' || one === named);
  return [
    el('a', { class: 'pill', href: ctx.link({ incident: null, node: null }), 'aria-current': named ? null : 'true' }, open ? `Open now: ${open}` : 'Open now: none'),
    past.length || named ? el('select', { 'aria-label': 'An incident of the range', on: { change: (event) => ctx.set({ incident: event.target.value || null, node: null }) } },
      el('option', { value: '' }, 'an earlier one \u2026'), past.map((one) => el('option', { value: one.id, selected: one === named }, `${ctx.time(one.root.start)} ${place(one.root.node, 40)}`))) : null,
  ];
}

function linkOf(node, chosen, ctx) {
  if (node.members?.length > 1) return ctx.link({ places: 'all', node: null });
  const id = node.members ? node.members[0] : node.id;
  return ctx.link(id === chosen ? { node: null, entity: null, worker: null } : { node: id, ...filterOf(id) });
}

function legend() {
  return el('p', { class: 'legend topology-legend' },
    [['root', 'root cause, ringed'], ['suppressed', 'folded under it'], ['firing', 'not paged'], ['quiet', 'quiet']].map(([state, word]) => el('span', {}, chip(STATES[state], word))),
    el('span', {}, el('i', { class: 'key impact' }), 'impact'), el('span', {}, el('i', { class: 'key' }), 'may explain'));
}

/** What alerts, as text: the same as the picture for those who do not see it. */
function alerting(model, incidents, ctx) {
  const order = ['root', 'firing', 'suppressed'];
  const found = [...model.nodes.values()].filter((node) => node.state !== 'quiet').sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state) || (a.id < b.id ? -1 : 1));
  if (!found.length) return [empty('All quiet.', 'No incident is open; choose an earlier one above, or click a place.'), el('p', { class: 'place-links' }, el('a', { href: ctx.link({ view: 'incidents' }) }, 'Earlier incidents'), el('a', { href: ctx.link({ view: 'changed' }) }, 'What changed'))];
  const reasons = new Map(incidents.flatMap((one) => one.suppressed.map((item) => [item.alert.node, item.reason])));
  return el('ul', { class: 'rows' }, found.map((node) => el('li', {}, el('a', { class: 'row place-row', data: { row: '' }, href: ctx.link({ node: node.id, ...filterOf(node.id) }) },
    chip(STATES[node.state], node.state === 'suppressed' ? 'folded' : node.word),
    el('span', { class: 'clip' }, el('b', {}, place(node.id)), ' ', el('span', { class: 'muted' }, format.name(node.text, 160))),
    el('span', { class: 'muted small' }, reasons.has(node.id) && node.state === 'suppressed' ? byWhom(node, reasons.get(node.id)) : '')))));
}

function byWhom(node, reason) {
  const hops = Math.max(0, reason.path.length - 1);
  return `${node.by ? `by ${place(node.by, 40)}` : node.word}${hops ? `, ${hops} ${hops === 1 ? 'hop' : 'hops'}` : ''}`;
}

function about(model, id, ctx) {
  const node = model.nodes.get(id);
  const causes = model.edges.filter((edge) => edge.effect === id).map((edge) => edge.cause);
  const effects = model.edges.filter((edge) => edge.cause === id).map((edge) => edge.effect);
  const filter = filterOf(id);
  return el('div', { class: 'place-about' },
    el('p', { class: 'place-head' }, chip(STATES[node.state], node.word), el('b', {}, place(id)), el('span', { class: 'muted' }, format.name(node.text, 300)),
      el('a', { class: 'pill', href: ctx.link({ node: null, entity: null, worker: null }) }, 'close')),
    node.by ? el('p', {}, 'Suppressed by ', chain([node.by, id])) : null,
    el('p', { class: 'place-links' }, node.incident ? el('a', { href: ctx.link({ view: 'incidents', incident: node.incident }) }, 'Its incident') : null,
      el('a', { href: ctx.link({ view: 'series', ...filter }) }, 'Its series'), el('a', { href: ctx.link({ view: 'changed', ...filter }) }, 'What changed')),
    neighbours('May be caused by', causes, model, ctx), neighbours('May cause', effects, model, ctx));
}

function neighbours(word, ids, model, ctx) {
  const shownIds = [...new Set(ids)].sort((a, b) => (model.nodes.get(a).state === 'quiet') - (model.nodes.get(b).state === 'quiet') || (a < b ? -1 : 1));
  return el('div', { class: 'neighbours' }, el('h3', {}, `${word}: ${shownIds.length}`), el('p', { class: 'chain' }, shownIds.slice(0, 24).map((id) => el('a', {
    class: `link is-${model.nodes.get(id).state}`, href: ctx.link({ node: id, ...filterOf(id) }) }, place(id, 60))), shownIds.length > 24 ? el('span', { class: 'muted small' }, `and ${shownIds.length - 24} more`) : null));
}
