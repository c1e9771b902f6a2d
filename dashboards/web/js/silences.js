// The silences that hold now, what each holds back, and their end; nothing that is silent is hidden.

import { nowOf } from './clock.js';
import { askAgain, silencesOf } from './asked.js';
import { el, panel, put } from './dom.js';
import * as format from './format.js';
import { place } from './places.js';

/** A panel that is there while a silence holds or something is held back; `load()` asks again, `changed()` hears of other silences. */
export function silencePanel(ctx, changed = () => {}) {
  const list = panel('Silenced now');
  list.box.hidden = true;
  let answer = { silences: [], held: [] };
  const draw = () => {
    const { silences, held } = answer;
    list.box.hidden = !silences.length && !held.length;
    put(list.body, el('ul', { class: 'silences' }, silences.map((one) => el('li', { class: 'silenced' },
      el('span', { class: 'silenced-what' }, format.name(one.text || 'everything', 300)), el('span', { class: 'muted small' }, `until ${ctx.time(one.until)}`),
      el('button', { type: 'button', on: { click: (event) => end(one, event.currentTarget) } }, 'End now')))),
    held.length ? el('h3', {}, `Held back: ${held.length}`) : null,
    el('ul', { class: 'silences' }, held.map(({ alert, reason }) => el('li', { class: 'silenced' }, el('span', { class: 'silenced-what' }, el('b', {}, place(alert.node)), ' ', el('span', { class: 'muted' }, format.name(alert.text || alert.metric, 200))),
      el('span', { class: 'muted small' }, format.name(reason.text, 200)), el('button', { type: 'button', on: { click: (event) => tell(alert, event.currentTarget) } }, 'Un-suppress')))));
  };
  const load = () => ctx.load(list.body, async (signal) => {
    const [changes, held] = await Promise.all([ctx.get('changes', { names: 'silence' }, signal), ctx.get('silenced', {}, signal)]);
    return { silences: silencesOf(changes, nowOf(ctx)), held };
  }, (found) => {
    const isOther = JSON.stringify(found.silences) !== JSON.stringify(answer.silences);
    answer = found;
    draw();
    if (isOther) changed(); // the store has it now: at the event it may have come too late
  });
  const end = (one, button) => {
    const start = Math.max(nowOf(ctx), one.time) + 0.001; // one of the same id that is over at once replaces it
    const isBack = () => !answer.silences.some((other) => other.about === one.about);
    return sent(button, ctx.post('silence', { id: one.about, matchers: [{ label: 'job', value: ctx.job }], start, end: start + 0.001 }), 'The silence is ended.', isBack);
  };
  const tell = (alert, button) => sent(button, ctx.post('unsuppress', { episode: alert.episode }), 'Un-suppression sent.', () => !answer.held.some((one) => one.alert.episode === alert.episode));
  const sent = async (button, answered, text, isBack) => {
    button.disabled = true;
    try {
      await answered;
      ctx.announce(text);
      askAgain(ctx, load, isBack);
    } catch (error) {
      button.disabled = false;
      put(list.body, list.body.firstChild, el('p', { class: 'is-broken', role: 'alert' }, `${error.message}. ${error.remedy}`));
    }
  };
  return { box: list.box, load };
}
