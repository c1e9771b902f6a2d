// Learnt edges: what a job's own anomalies suggest, with the evidence, and a person's word on each.

import { askAgain } from './asked.js';
import { el, panel, put } from './dom.js';
import * as format from './format.js';
import { remember, remembered } from './incident_actions.js';
import { place } from './places.js';

const ACTS = { confirm: 'Confirm', reject: 'Reject', withdraw: 'Withdraw' };
const DONE = { confirm: 'confirmed', reject: 'rejected', withdraw: 'withdrawn' };
const NEXT = { confirmed: ['withdraw'], rejected: ['withdraw'], withdrawn: ['confirm', 'reject'] };
const MOST = 8; // that are shown at once

/** Whether who looks at the page may also act. */
export function mayAct(ctx) {
  const who = ctx.about.who ?? { name: '', role: 'admin' };
  return !who.name || who.role !== 'viewer';
}

/** Buttons that say something of an edge. `heard`: {author() who acts, told: where it is said, load() asks again, isBack()}. */
export function verdicts(ctx, { cause, effect }, offered, heard) {
  const buttons = offered.map((verdict) => el('button', { type: 'button', data: { key: `${verdict} ${cause}->${effect}` }, 'aria-label': `${ACTS[verdict]} ${place(cause)} as a cause of ${place(effect)}`, on: { click: () => send(verdict) } }, ACTS[verdict]));
  const send = async (verdict) => {
    const what = `${place(cause, 60)} as a cause of ${place(effect, 60)}`;
    for (const button of buttons) button.disabled = true;
    put(heard.told, `${what}: \u201c${ACTS[verdict].toLowerCase()}\u201d is sent \u2026`);
    try {
      await ctx.post('edges', { cause, effect, verdict, author: heard.author() });
    } catch (error) {
      for (const button of buttons) button.disabled = false;
      return put(heard.told, el('span', { class: 'is-broken', role: 'alert' }, `It was refused: ${error.message}. ${error.remedy}`));
    }
    askAgain(ctx, async () => {
      await heard.load();
      if (heard.isBack(verdict)) put(heard.told, `${what} is ${DONE[verdict]}.`);
    }, () => heard.isBack(verdict));
  };
  return buttons;
}

/** A panel that is there while edges are proposed or were judged; `load()` asks again, `changed()` is called after a word. */
export function learntPanel(ctx, changed) {
  const author = el('input', { name: 'author', maxlength: 100, placeholder: 'your name', 'aria-label': 'Your name' });
  const told = el('p', { class: 'small acted', role: 'status' });
  const list = el('div');
  const edges = panel('Learnt edges', mayAct(ctx) ? author : null);
  const who = ctx.about.who ?? { name: '', role: 'admin' };
  author.value = who.name || remembered();
  author.disabled = Boolean(who.name) && who.role !== 'admin';
  author.addEventListener('change', () => remember(author.value));
  edges.box.hidden = true;
  put(edges.body, list, told);
  let answer = { learnt: [], said: [] };
  let isAll = false;
  const wordOn = ({ cause, effect }) => answer.said.find((one) => one.cause === cause && one.effect === effect)?.verdict ?? '';
  const buttons = (edge, offered) => (mayAct(ctx) ? verdicts(ctx, edge, offered, {
    author: () => author.value, told, isBack: (verdict) => wordOn(edge) === DONE[verdict], load: async () => { await load(); changed(); },
  }) : null);
  const draw = () => {
    const proposed = answer.learnt;
    const isProposed = (word) => proposed.some((one) => one.cause === word.cause && one.effect === word.effect);
    const judged = answer.said.filter((one) => !isProposed(one));
    const shown = isAll ? proposed : proposed.slice(0, MOST);
    edges.box.hidden = !proposed.length && !judged.length;
    put(list, proposed.length ? el('p', { class: 'muted small' }, 'Proposed by what happened in the last 28 days. They rank causes; none folds an alert until somebody confirms it.') : null,
      el('ul', { class: 'learnt' }, shown.map((one) => row(one, one.text, buttons(one, ['confirm', 'reject'])))),
      shown.length < proposed.length ? el('button', { type: 'button', on: { click: () => { isAll = true; draw(); } } }, `${proposed.length - shown.length} more`) : null,
      judged.length ? el('h3', {}, 'Settled') : null,
      el('ul', { class: 'learnt' }, judged.map((one) => row(one, `${one.verdict} by ${format.name(one.who, 60)}, ${ctx.time(one.time)}${one.text ? `: ${one.text}` : ''}`, buttons(one, NEXT[one.verdict])))));
  };
  const load = () => ctx.load(list, (signal) => ctx.get('edges', {}, signal), (found) => { answer = found; draw(); });
  return { box: edges.box, load };
}

function row({ cause, effect }, text, acts) {
  return el('li', {}, el('span', { class: 'learnt-what' }, el('b', {}, place(cause)), ' \u2192 ', el('b', {}, place(effect)), ' ', el('span', { class: 'muted small' }, format.name(text, 400))),
    el('span', { class: 'judge' }, acts));
}
