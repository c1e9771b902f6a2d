// One incident unfolded: what to do about it, what is folded beneath it and why, what was told and decided.

import * as api from './api.js';
import { NAMES, askAgain, askedOf, standing } from './asked.js';
import { chain } from './chain.js';
import { lag, nowOf } from './clock.js';
import { chip, el, put } from './dom.js';
import * as format from './format.js';
import { incidentArrays } from './incident_arrays.js';
import { IncidentActions } from './incident_actions.js';
import { IncidentCauses } from './incident_causes.js';
import { IncidentChart } from './incident_chart.js';
import { place } from './places.js';

const WORDS = {
  root: 'root cause', 'outlived cause': 'outlived its cause', 'unknown node': 'place not in the topology', severity: 'too severe to wait', unsuppressed: 'un-suppressed',
  inhibited: 'folded', silenced: 'silenced', grouped: 'folded', waiting: 'waiting', repeat: 'repeated', resolved: 'over', flapping: 'flapping',
};

const SAID = { firing: 'told', update: 'told again', resolved: 'told: over' };

/** Lives as long as its incident is open in the list, so that what is typed stays. */
export class IncidentDetail {
  constructor(ctx, id) {
    this.ctx = ctx;
    this.id = id;
    this.state = el('div', { class: 'standing', 'aria-live': 'polite' });
    this.pictured = el('section', { class: 'incident-chart', 'aria-label': 'The root over time, and what is folded beneath it' });
    this.chart = new IncidentChart(ctx, this.pictured);
    this.begun = el('section', { 'aria-label': 'Where it may have begun' });
    this.folded = el('section', { 'aria-label': 'Folded alerts' });
    this.which = el('span');
    this.chosen = null; // the time of the notification that is shown; null: the last
    this.text = el('pre', { class: 'golden', tabindex: 0, 'aria-label': 'Text of the notification' });
    this.trail = el('section', { 'aria-label': 'What was told, decided and done' });
    this.said = el('section', { 'aria-label': 'What the traced arrays say' });
    this.actions = new IncidentActions(ctx, () => this.incident, () => this.later());
    this.causes = new IncidentCauses(ctx, id, this.begun, () => this.actions.author.value);
    this.box = el('div', { class: 'incident-detail' }, this.state, this.actions.box, this.pictured,
      el('div', { class: 'two' }, el('div', { class: 'stack' }, this.begun, this.folded), el('div', { class: 'stack' }, el('section', {}, el('h3', { class: 'told-head' }, 'What on-call was told', this.which), this.text), this.said, this.trail)));
    this.full = null;
    this.asked = [];
    this.reload();
    incidentArrays(ctx, id, this.said);
    this.causes.load();
  }

  update(incident) {
    const isNew = this.incident?.last !== incident.last;
    this.incident = { ...incident, trail: this.full?.trail ?? incident.trail };
    if (isNew && this.full) {
      this.reload();
      this.causes.load();
    }
    this.draw();
  }

  /** Ask again now, and later until what was asked for came back through the log and the store. */
  later() {
    this.reload();
    askAgain(this.ctx, () => this.reload(), () => this.actions.waiting === undefined);
  }

  reload() {
    const ask = async (signal) => {
      const full = await api.get(`/incidents/${encodeURIComponent(this.id)}`, {}, signal);
      return [full, await this.ctx.get('changes', { start: Math.floor(full.root.start) - 1, names: NAMES.join(',') }, signal)];
    };
    return this.ctx.load(this.trail, ask, ([full, changes]) => {
      this.full = full;
      this.incident = { ...this.incident, ...full, id: this.id };
      this.asked = askedOf(changes, this.incident);
      this.draw();
      this.drawTrail();
    });
  }

  draw() {
    const { incident, ctx } = this;
    const now = nowOf(ctx);
    this.actions.update(this.asked);
    put(this.state, this.standing(now));
    this.drawText();
    this.chart.update(incident);
    const count = incident.suppressed.length;
    put(this.folded, el('h3', {}, 'The root'), this.alert(incident.root, incident.reason, 'root'),
      incident.grouped.length ? [el('h3', {}, `Told before, explained by it: ${incident.grouped.length}`), incident.grouped.map((alert) => this.alert(alert, null, ''))] : null,
      el('h3', {}, count ? `Folded beneath it: ${count}` : 'Nothing is folded beneath it'),
      el('ul', { class: 'folds' }, incident.suppressed.map((item) => el('li', {}, this.alert(item.alert, item.reason, item.alert.episode)))));
  }

  drawText() {
    const told = this.incident.trail ?? [];
    const shown = told.find((one) => one.id === this.chosen) ?? told.at(-1);
    if (told.length > 1 && !this.which.contains(document.activeElement)) {
      put(this.which, el('select', { 'aria-label': 'Which notification', on: { change: (event) => { this.chosen = event.target.value; this.drawText(); } } },
        told.map((one) => el('option', { value: one.id, selected: one === shown }, `${SAID[one.status] ?? one.status} ${this.ctx.time(one.time)}`))));
    }
    put(this.text, shown?.text || this.incident.latest || this.incident.text);
  }

  standing(now) {
    const { silence, label, isAcknowledged } = standing(this.asked, now);
    return [
      isAcknowledged ? chip('healthy', 'acknowledged') : null,
      silence ? chip('stale', `silenced until ${this.ctx.time(silence.until)}`) : null,
      label ? chip('unknown', `labelled ${label.word}`) : null,
    ];
  }

  /** One alert as a line; "why?" unfolds the reason of its decision. */
  alert(alert, reason, key) {
    const { ctx } = this;
    const isOpen = Boolean(key) && ctx.state.why === key;
    const line = [
      el('span', { class: 'fold-what' }, el('b', {}, place(alert.node)), ' ', el('span', { class: 'muted' }, format.name(alert.text || alert.metric, 200))),
      el('span', { class: 'muted small fold-when' }, reason && key !== 'root' ? lag(reason.gap) : ctx.time(alert.start)),
    ];
    if (!reason) return el('div', { class: 'fold' }, line);
    return el('div', { class: `fold${isOpen ? ' is-open' : ''}` },
      el('a', { class: 'row fold-head', href: ctx.link({ incident: this.id, why: isOpen ? null : key }), data: { row: '', key: `why ${key}` }, 'aria-expanded': isOpen ? 'true' : 'false' }, line,
        el('span', { class: 'why-word' }, 'why?')),
      isOpen ? this.why(alert, reason) : null);
  }

  why(alert, reason) {
    const path = reason.path.length > 1 ? reason.path : [];
    const isSuppressed = ['inhibited', 'silenced', 'waiting'].includes(reason.decision);
    return el('div', { class: 'why' },
      el('dl', {},
        term('Decision', WORDS[reason.decision] ?? reason.decision),
        term('Rule', format.name(reason.text, 600)),
        path.length ? term('Path', chain(path)) : null,
        reason.root ? term('Onset', `${lag(reason.gap)}, at ${this.ctx.time(alert.start, true)}`) : term('Onset', this.ctx.time(alert.start, true)),
        term('Topology', reason.topology ? `revision ${reason.topology}` : 'none'),
        term('Episode', el('span', { class: 'mono' }, alert.episode))),
      el('p', { class: 'why-more' },
        el('a', { href: this.ctx.link({ view: 'series', entity: alert.entity || null, worker: alert.worker || null, metric: alert.metric, domain: alert.domain }) }, 'Its series'),
        el('a', { href: this.ctx.link({ view: 'topology', node: alert.node, incident: this.id }) }, 'In the topology'),
        isSuppressed && !alert.end ? el('button', { type: 'button', on: { click: (event) => this.actions.unsuppress(alert, event.currentTarget) } }, 'Un-suppress: page for it') : null));
  }

  drawTrail() {
    const told = (this.full.trail ?? []).map((one) => ({ time: one.time, word: SAID[one.status] ?? one.status, text: one.reason.text === 'over' ? '' : one.reason.text }));
    const held = (this.full.decisions ?? []).map((one) => ({ time: one.time, ...decided(one) }));
    const asked = this.asked.map((one) => ({ time: one.time, word: one.word, text: one.text, isAsked: true }));
    const all = [...held, ...told, ...asked].sort((a, b) => a.time - b.time);
    put(this.trail, el('h3', {}, 'Trail'), el('ol', { class: 'trail' }, counted(all).map((one) => el('li', { class: one.isAsked ? 'is-asked' : '' },
      el('time', { class: 'muted' }, this.ctx.time(one.time)), el('b', {}, one.word), el('span', { class: 'muted' }, format.name(one.text, 400), one.count > 1 ? ` (${one.count} alerts)` : '')))));
  }
}

/** What was decided of an alert, in a word and its rule: whatever is held back beneath a root is folded. */
function decided({ state, alert, reason }) {
  const isFolded = state === 'suppressed' && reason.decision !== 'silenced';
  return { word: isFolded ? 'folded' : state === 'suppressed' ? 'silenced' : state, text: `${place(alert.node)}: ${isFolded ? reason.text : decision(reason)}` };
}

/** A decision with its rule, said once where both are the same word. */
function decision({ decision: name, text }) {
  const word = WORDS[name] ?? name;
  return text && text !== word ? `${word}, ${text}` : word;
}

/** Lines in order, those that say the same at the same time as one with their count. */
function counted(lines) {
  const found = new Map();
  for (const line of lines) {
    const key = JSON.stringify([line.time, line.word, line.text]);
    if (found.has(key)) found.get(key).count += 1;
    else found.set(key, { ...line, count: 1 });
  }
  return [...found.values()];
}

function term(name, value) {
  return [el('dt', {}, name), el('dd', {}, value)];
}
