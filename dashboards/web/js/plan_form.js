// The form that changes what is traced: a catalogue to pick from, the live match and cost at each worker, an expiry.

import { chip, el, empty, put } from './dom.js';
import * as format from './format.js';
import { bytesPace, pace } from './plans.js';

const WAIT = 250; // milliseconds without a key until the cost is asked
const LISTED = 200; // catalogue entries that are listed
const EXPIRIES = { 600: '10 minutes', 1800: '30 minutes', 7200: '2 hours', 43200: '12 hours', 86400: '1 day' };
const OWN = ['collection', 'include', 'exclude', 'emit', 'when'];
const FORMS = { stats: 'statistics', histogram: 'statistics and histograms', units: 'statistics and those by unit', raw: 'raw arrays' };
const WHENS = { '': 'at all times', nonfinite: 'of a batch whose loss is not finite' };

/** `sent()` is called after a plan went out. */
export class PlanForm {
  constructor(ctx, sent) {
    this.ctx = ctx;
    this.sent = sent;
    this.names = new Set();
    this.catalogue = null;
    this.entries = new Map();
    this.asked = 0;
    this.fields();
    this.cost = el('div', { class: 'cost', 'aria-live': 'polite' });
    this.list = el('ul', { class: 'catalogue' });
    this.apply = el('button', { type: 'submit', class: 'primary', disabled: true }, 'Apply');
    this.status = el('p', { class: 'small', role: 'status' });
    this.box = el('form', { class: 'plan-form', on: { submit: (event) => { event.preventDefault(); this.send(); }, input: () => this.changed() } },
      el('div', { class: 'plan-fields' },
        labelled('Collection', this.collection), labelled('Include (regular expression)', this.include), labelled('Exclude', this.exclude),
        labelled('Send', this.emit), labelled('Every (steps)', this.every), labelled('When', this.when), labelled('Expires after', this.expires),
        labelled('Plan', this.plan), labelled('Your name', this.author), labelled('Why', this.reason, 'wide'), this.workers),
      el('div', { class: 'plan-pick' }, labelled('Or pick from the catalogue', this.search), this.list),
      el('div', { class: 'plan-cost' }, el('h3', {}, 'What it would cost'), this.cost, el('div', { class: 'acts' }, this.apply, this.status)));
    ctx.atEnd(() => clearTimeout(this.timer));
  }

  fields() {
    const text = (name, more = {}) => el('input', { name, maxlength: 512, autocomplete: 'off', spellcheck: 'false', ...more });
    this.collection = el('select', { name: 'collection' });
    this.include = text('include', { placeholder: 'all', class: 'mono' });
    this.exclude = text('exclude', { placeholder: 'none', class: 'mono' });
    this.emit = el('select', { name: 'emit' }, Object.entries(FORMS).map(([value, word]) => el('option', { value }, word)));
    this.when = el('select', { name: 'when' }, Object.entries(WHENS).map(([value, word]) => el('option', { value }, word)));
    this.every = el('input', { name: 'every', type: 'number', min: 1, max: 1e9, step: 1, value: '10', required: true });
    this.expires = el('select', { name: 'expires' }, Object.entries(EXPIRIES).map(([seconds, word]) => el('option', { value: seconds, selected: seconds === '1800' }, word)));
    this.plan = text('plan', { value: 'on-call', required: true, pattern: '[^\\/]+', maxlength: 100 });
    this.author = text('author', { maxlength: 100 });
    this.reason = text('reason', { maxlength: 1000 });
    this.workers = el('fieldset', { class: 'plan-workers' });
    this.search = el('input', { type: 'search', placeholder: 'Search  ( / )' });
    this.search.addEventListener('input', (event) => { event.stopPropagation(); this.drawList(); });
  }

  /** What the workers say they could trace. */
  update(catalogue) {
    const readable = catalogue.filter((one) => Array.isArray(one.entries));
    const key = JSON.stringify(readable);
    if (key === this.catalogue) return;
    this.catalogue = key;
    this.entries = new Map();
    for (const one of readable) for (const entry of one.entries) {
      const key = JSON.stringify([entry.collection, entry.name]);
      this.entries.set(key, { ...entry, workers: (this.entries.get(key)?.workers ?? 0) + 1 });
    }
    this.drawWorkers(readable.map((one) => one.worker).sort());
    this.drawCollections();
    this.drawList();
    this.changed();
  }

  drawWorkers(names) {
    if (this.shownWorkers === JSON.stringify(names)) return;
    this.shownWorkers = JSON.stringify(names);
    const wanted = this.ctx.state.worker;
    put(this.workers, el('legend', {}, 'Workers (none chosen: all)'), names.map((worker) => el('label', {}, el('input', { type: 'checkbox', name: 'worker', value: worker, checked: worker === wanted }), format.name(worker, 60))));
  }

  drawCollections() {
    const counts = new Map();
    for (const { collection } of this.entries.values()) counts.set(collection, (counts.get(collection) ?? 0) + 1);
    const shown = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
    if (this.shownCollections === JSON.stringify(shown)) return;
    this.shownCollections = JSON.stringify(shown);
    const before = this.collection.value || (counts.has('weights') ? 'weights' : shown[0]?.[0]);
    put(this.collection, shown.map(([name, count]) => el('option', { value: name, selected: name === before }, `${format.name(name, 30)} (${count})`)));
    if (before && counts.has(before)) this.collection.value = before;
  }

  drawList() {
    const asked = this.search.value.trim().toLowerCase();
    const fitting = [...this.entries.values()].filter((entry) => entry.collection === this.collection.value && entry.name.toLowerCase().includes(asked)).sort((a, b) => (a.name < b.name ? -1 : 1));
    if (!fitting.length) return put(this.list, el('li', { class: 'muted small' }, this.entries.size ? 'Nothing of that name in this collection.' : 'No worker has said yet what it could trace.'));
    put(this.list, fitting.slice(0, LISTED).map((entry) => el('li', {}, el('label', { class: 'entry' },
      el('input', { type: 'checkbox', name: 'name', checked: this.names.has(entry.name), on: { change: (event) => this.pick(entry.name, event.target.checked) } }),
      el('span', { class: 'clip', title: format.name(entry.name, 400) }, format.name(entry.name, 120)),
      el('span', { class: 'muted small num' }, sized(entry))))),
    fitting.length > LISTED ? el('li', { class: 'muted small' }, `and ${fitting.length - LISTED} more: search for them`) : null);
  }

  pick(name, isPicked) {
    if (isPicked) this.names.add(name);
    else this.names.delete(name);
  }

  /** Something was typed: what it would cost is asked again in a moment. */
  changed() {
    const collection = this.collection.value;
    if (this.collectionShown !== collection) {
      this.collectionShown = collection;
      this.names.clear();
      this.drawList();
    }
    this.apply.disabled = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), WAIT);
  }

  select() {
    const own = Object.fromEntries(OWN.map((name) => [name, this[name].value]));
    return { ...own, every: Math.max(1, Math.floor(Number(own.every) || 1)), names: [...this.names].sort() };
  }

  chosenWorkers() {
    return [...this.workers.querySelectorAll('input:checked')].map((box) => box.value);
  }

  async ask() {
    if (!this.entries.size) return put(this.cost, empty('Nothing to choose from yet.', 'Workers list what they can trace after their first steps.'));
    const number = this.asked += 1;
    try {
      const found = await this.ctx.post('trace/cost', { select: [this.select()], workers: this.chosenWorkers() });
      if (number === this.asked) this.drawCost(found);
    } catch (error) {
      if (number === this.asked) put(this.cost, el('p', { class: 'is-broken' }, `${error.message}. ${error.remedy}`));
    }
  }

  drawCost(found) {
    const of = [...this.entries.values()].filter((entry) => entry.collection === this.collection.value).length;
    const willRefuse = found.workers.filter((one) => one.fault).length;
    this.apply.disabled = Boolean(found.fault) || !found.workers.length || willRefuse === found.workers.length;
    if (found.fault) return put(this.cost, el('p', { class: 'is-broken' }, chip('broken', 'no worker would take it'), ' ', format.name(found.fault, 300)));
    put(this.cost, el('p', {}, el('b', { class: 'matched' }, `${found.matched} of ${of} match`), el('span', { class: 'muted small matched-names' }, found.names.slice(0, 12).map((name) => el('span', {}, format.name(name, 48))), found.matched > 12 ? el('span', {}, `and ${found.matched - 12} more`) : null)),
      el('div', { class: 'scroll' }, el('table', {}, el('thead', {}, el('tr', {}, el('th', {}, 'Worker'), el('th', { class: 'num' }, 'Matches'), el('th', { class: 'num' }, 'About'), el('th', { class: 'num hide-narrow' }, 'At'), el('th', {}, 'It would'))),
        el('tbody', {}, found.workers.map((one) => el('tr', {}, el('td', {}, format.name(one.worker, 60)), el('td', { class: 'num' }, one.matched), el('td', { class: 'num' }, bytesPace(one.bytes_s)),
          el('td', { class: 'num muted hide-narrow' }, pace(one.steps_s, (n) => `${format.number(n)} steps`)), el('td', {}, one.fault ? [chip('broken', 'refuse'), ' ', el('span', { class: 'small' }, one.fault)] : chip('healthy', 'take it'))))))));
  }

  async send() {
    if (this.apply.disabled || !this.box.reportValidity()) return;
    this.apply.disabled = true;
    put(this.status, 'Sending \u2026');
    try {
      const made = await this.ctx.post('trace', {
        select: [this.select()], name: this.plan.value.trim(), workers: this.chosenWorkers(), expires: Number(this.expires.value), author: this.author.value, reason: this.reason.value,
      });
      put(this.status, `Plan ${format.name(made.plan, 40)}, revision ${made.revision}, is on the control topic; what the workers make of it stands above.`);
      this.ctx.announce(`Plan sent, revision ${made.revision}.`);
      this.sent(made);
    } catch (error) {
      put(this.status, el('span', { class: 'is-broken', role: 'alert' }, `Refused: ${error.message}. ${error.remedy}`));
    }
    this.apply.disabled = false;
  }
}

function labelled(word, control, more = '') {
  return el('label', { class: `field ${more}` }, el('span', { class: 'muted small' }, word), control);
}

const OF_ROWS = new Set(['features', 'inputs', 'outputs', 'labels', 'ids']);

/** How large an entry of the catalogue is: "64 rows, 512 B", "3\u00d78, 96 B". */
function sized({ collection, shape, bytes }) {
  const many = OF_ROWS.has(collection) ? 'rows' : 'values';
  const form = !shape?.length ? 'scalar' : shape.length > 1 ? shape.join('\u00d7') : `${format.count(shape[0])} ${many}`;
  return bytes ? `${form}, ${format.bytes(bytes)}` : form;
}
