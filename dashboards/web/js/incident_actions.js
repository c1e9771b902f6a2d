// What can be done about an incident: acknowledge, silence, label, comment, un-suppress, share.

import { LABELS, standing } from './asked.js';
import { nowOf } from './clock.js';
import { el, put } from './dom.js';
import * as format from './format.js';

const LENGTHS = { 3600: '1 hour', 14400: '4 hours', 86400: '1 day', 604800: '7 days' };
const MATCHED = ['worker', 'entity', 'metric', 'domain'];

/** `incident()` is the one acted on, `sent()` is called after an action went out. */
export class IncidentActions {
  constructor(ctx, incident, sent) {
    this.ctx = ctx;
    this.incident = incident;
    this.sent = sent;
    const who = ctx.about.who ?? { name: '', role: 'admin' };
    const isBound = Boolean(who.name) && who.role !== 'admin'; // what is done is kept under the token's name
    this.author = el('input', { name: 'author', value: isBound ? who.name : remembered() || who.name, disabled: isBound, maxlength: 100, placeholder: 'your name', 'aria-label': 'Your name', on: { change: () => remember(this.author.value) } });
    this.comment = el('input', { name: 'comment', maxlength: 1000, placeholder: 'comment', 'aria-label': 'Comment', on: { keydown: (event) => { if (event.key === 'Enter') this.say(); } } });
    this.ack = el('button', { type: 'button', class: 'primary', on: { click: () => this.act('ack', { notification: this.incident().id }, 'Acknowledgement') } }, 'Acknowledge');
    this.labels = LABELS.map(([verdict, word]) => el('button', { type: 'button', data: { verdict }, 'aria-pressed': 'false', on: { click: () => this.act('feedback', { notification: this.incident().id, verdict }, `Label \u201c${word}\u201d`) } }, word));
    this.silence = el('details', { class: 'silence' }, el('summary', {}, 'Silence\u2026'));
    this.silence.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || !this.silence.open) return;
      event.preventDefault();
      this.silence.open = false;
      this.silence.firstChild.focus();
    });
    this.silence.addEventListener('toggle', () => { if (this.silence.open) this.drawSilence(); });
    this.status = el('p', { class: 'small acted', role: 'status' }, who.name && who.role === 'viewer' ? `${who.name} may look and not act: actions need a token of an operator.` : null);
    this.box = el('div', { class: 'incident-actions' },
      el('div', { class: 'acts' }, this.ack, this.silence,
        el('span', { class: 'labels', role: 'group', 'aria-label': 'What was it worth?' }, el('span', { class: 'muted small' }, 'Label'), this.labels),
        el('button', { type: 'button', on: { click: () => ctx.page.copyLink() } }, 'Copy link')),
      el('div', { class: 'acts says' }, this.author, this.comment, el('button', { type: 'button', on: { click: () => this.say() } }, 'Comment')), this.status);
  }

  /** Follow what came back. */
  update(asked) {
    const { label, isAcknowledged } = standing(asked, nowOf(this.ctx));
    this.ack.disabled = isAcknowledged;
    this.ack.textContent = isAcknowledged ? 'Acknowledged' : 'Acknowledge';
    for (const button of this.labels) button.setAttribute('aria-pressed', String(button.dataset.verdict === label?.verdict));
    if (this.waiting !== undefined && asked.length > this.waiting) {
      this.waiting = undefined;
      put(this.status, `${this.what} came back from the log.`);
    }
    this.known = asked.length;
  }

  say() {
    if (!this.comment.value.trim()) return this.comment.focus();
    this.act('feedback', { notification: this.incident().id, verdict: 'none' }, 'Comment');
  }

  unsuppress(alert, button) {
    button.disabled = true;
    this.act('unsuppress', { episode: alert.episode }, 'Un-suppression').then((isSent) => { button.disabled = isSent; });
  }

  /** Send an action; what it did is shown once it came back. True if it went out. */
  async act(route, body, what) {
    const extra = route === 'unsuppress' ? { author: this.author.value } : { author: this.author.value, comment: this.comment.value };
    put(this.status, `${what} is sent \u2026`);
    this.waiting = this.known ?? 0;
    this.what = what;
    try {
      await this.ctx.post(route, { ...body, ...extra });
    } catch (error) {
      this.waiting = undefined;
      put(this.status, el('span', { class: 'is-broken', role: 'alert' }, `${what} was refused: ${error.message}. ${error.remedy}`));
      return false;
    }
    if (route !== 'unsuppress') this.comment.value = '';
    this.ctx.announce(`${what} sent.`);
    this.sent();
    return true;
  }

  drawSilence() {
    const { root, suppressed } = this.incident();
    const boxes = MATCHED.filter((label) => root[label]).map((label) => el('label', { class: 'match' },
      el('input', { type: 'checkbox', name: label, checked: label !== 'domain' }), el('span', { class: 'muted' }, label), format.name(root[label], 60)));
    const length = el('select', { name: 'length', 'aria-label': 'How long' }, Object.entries(LENGTHS).map(([seconds, word]) => el('option', { value: seconds }, word)));
    const effect = el('p', { class: 'muted small' });
    const matchers = () => boxes.map((box) => box.firstChild).filter((box) => box.checked).map((box) => ({ label: box.name, value: root[box.name] }));
    const go = el('button', { type: 'submit', class: 'primary' }, 'Silence');
    const told = () => {
      const chosen = matchers();
      const alerts = [root, ...suppressed.map((item) => item.alert)];
      const hit = alerts.filter((alert) => chosen.every(({ label, value }) => alert[label] === value)).length;
      go.disabled = !chosen.length;
      put(effect, chosen.length ? `Holds back ${hit} of the ${alerts.length} alerts here, until ${this.ctx.time(nowOf(this.ctx) + Number(length.value))}.` : 'Choose what is to be silent.');
    };
    const form = el('form', { class: 'silence-form', on: { change: told, submit: (event) => {
      event.preventDefault();
      const end = nowOf(this.ctx) + Number(length.value);
      this.act('silence', { matchers: matchers(), end }, 'Silence').then((isSent) => { if (isSent) this.silence.open = false; });
    } } }, el('fieldset', {}, el('legend', {}, 'Whatever has'), boxes), el('label', {}, 'for ', length), effect, go);
    put(this.silence, this.silence.firstChild, form);
    told();
  }
}

/** The name under which this browser acted last. */
export function remembered() {
  try {
    return localStorage.getItem('author') ?? '';
  } catch {
    return '';
  }
}

/** Keep it. */
export function remember(author) {
  try {
    localStorage.setItem('author', author);
  } catch { /* a page without storage forgets it */ }
}
