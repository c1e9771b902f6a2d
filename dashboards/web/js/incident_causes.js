// Where an incident may have begun: what was anomalous upstream of its root, the likeliest first, with the evidence;
// a learnt edge that led there is confirmed or rejected here.

import * as api from './api.js';
import { chain } from './chain.js';
import { lag } from './clock.js';
import { el, put } from './dom.js';
import * as format from './format.js';
import { mayAct, verdicts } from './learnt.js';
import { baseOf, place } from './places.js';

const MOST = 6; // lines that are shown at once

/** Fills `box` whenever it is asked; it stays empty where the server does not answer, as the rest says so. */
export class IncidentCauses {
  constructor(ctx, id, box, author) {
    this.ctx = ctx;
    this.id = id;
    this.box = box;
    this.author = author; // () => who acts
    this.told = el('p', { class: 'small acted', role: 'status' });
    this.isAll = false;
  }

  async load() {
    try {
      this.found = await api.get(`/incidents/${encodeURIComponent(this.id)}/causes`);
    } catch {
      return;
    }
    this.draw();
  }

  draw() {
    const shown = this.isAll ? this.found : this.found.slice(0, MOST);
    const more = this.found.length - shown.length;
    put(this.box, el('h3', {}, 'Where it may have begun'),
      el('ol', { class: 'causes' }, shown.map((one) => el('li', { class: one.is_paged ? 'is-paged' : '' }, this.line(one)))), this.told,
      more ? el('button', { type: 'button', on: { click: () => { this.isAll = true; this.draw(); } } }, `${more} more`) : null);
  }

  line(one) {
    const name = el('b', {}, place(one.node));
    if (one.is_paged) return [name, ' ', el('span', { class: 'muted' }, one.is_root ? 'what was paged: nothing anomalous lies upstream of it' : 'what was paged')];
    const [, entity, worker] = /^([^@]*)@?(.*)$/s.exec(one.node);
    const link = this.ctx.link({ view: 'series', metric: one.metric, entity: entity.includes(':') ? entity : null, worker: worker || null, domain: null });
    return [name, ' ', el('a', { href: link, class: 'muted' }, format.name(one.text || one.metric, 160)),
      el('span', { class: 'cause-why small muted' }, evidence(one).map((text, i) => (i ? ` \u00b7 ${text}` : text)), ' \u00b7 ', chain(one.path)), this.judged(one)];
  }

  /** What can be said of the learnt edge that a place was reached by. */
  judged(one) {
    if (!one.learnt || !mayAct(this.ctx)) return null;
    const edge = { cause: baseOf(one.path[0]), effect: baseOf(one.path.at(-1)) };
    const heard = { author: this.author, told: this.told, load: () => this.load(), isBack: () => !this.found.some((other) => other.learnt && other.node === one.node) };
    return el('span', { class: 'judge' }, verdicts(this.ctx, edge, ['confirm', 'reject'], heard));
  }
}

/** What speaks for a place, in words. */
export function evidence(one) {
  return [
    one.is_root ? 'nothing anomalous upstream' : 'has an anomalous cause',
    lag(-one.lag),
    one.correlation === null ? 'no series to compare' : `correlation ${one.correlation.toFixed(2)}`,
    one.is_direct ? null : 'through quiet places',
    one.workers.length > 1 ? `at ${one.workers.length} workers` : null,
    one.learnt ? `a learnt edge that nobody has confirmed: ${one.learnt}` : null,
  ].filter(Boolean);
}
