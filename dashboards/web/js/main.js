// The page: its state is the address; it mounts one view, feeds it the jobs and the stream, and hears the keyboard.

import * as api from './api.js';
import { Context, failure } from './context.js';
import { put } from './dom.js';
import { csv, save } from './export.js';
import { Header } from './header.js';
import { hearKeys } from './keys.js';
import { Latest, judged } from './jobs.js';
import { Outage } from './outage.js';
import { changed, parse, rangeOf, usualRange, write } from './state.js';
import { Stream } from './stream.js';
import * as changes from './views/changed.js';
import * as features from './views/features.js';
import * as runs from './views/runs.js';
import * as health from './views/health.js';
import * as incidents from './views/incidents.js';
import * as job from './views/job.js';
import * as overview from './views/overview.js';
import * as series from './views/series.js';
import * as topology from './views/topology.js';
import * as traces from './views/traces.js';

const VIEWS = { // in the order of the tabs; without a prototype: an address may name anything
  __proto__: null, overview, job, changed: changes, series, topology, incidents, traces, health, features, runs,
};

const RETRY = 3000; // milliseconds until the list of jobs is asked again
const GATHER = 250; // milliseconds over which events are gathered
const LEAST = 1500; // milliseconds between two refreshes, however fast scores come
const AGE = 5000; // milliseconds between two looks at how old the data are

class Page {
  constructor() {
    this.state = parse(location.hash);
    this.jobs = [];
    this.about = { clock: 'wall', now: Date.now() / 1000, jobs: [] };
    this.view = null;
    this.latest = new Latest();
    this.main = document.querySelector('#main');
    this.stream = new Stream((status, count) => this.connection(status, count));
    this.header = new Header(document.querySelector('#header'), this, VIEWS);
    this.outage = new Outage(this, document.querySelector('#banner'), (isLong) => this.outdated(isLong));
  }

  async start() {
    this.theme();
    hearKeys({
      view: (index) => { const name = Object.keys(VIEWS)[index]; if (name) this.go(this.changed({ view: name })); },
      search: () => this.search(), back: () => this.back(), theme: () => this.toggleTheme(),
      zone: () => this.toggleZone(), pause: () => this.togglePause(),
    });
    addEventListener('hashchange', () => this.follow(parse(location.hash)));
    addEventListener('pagehide', () => this.stream.close());
    addEventListener('pageshow', (event) => { if (event.persisted) this.stream.resume(); });
    this.stream.on(['score', 'notification', 'change'], (name, data) => { this.latest.heard(name, data); this.soon(); });
    this.stream.open();
    await this.refresh();
    if (this.stream.hasBeenLive) this.soon(); // what came between this answer and the stream; the view asked later
    else this.stream.first.then(() => this.stream.hand('reset', null));
    setInterval(() => this.aged(), AGE);
  }

  /** Ask for the jobs; mount the view once they are known. */
  async refresh() {
    try {
      const [about, jobs] = await Promise.all([api.get('/about'), api.get('/jobs')]);
      this.about = about;
      this.found = jobs;
      this.receivedAt = Date.now();
      this.judge();
    } catch (error) {
      if (!this.view) put(this.main, failure(error));
      this.outage.failed(error);
      clearTimeout(this.retry);
      this.retry = setTimeout(() => this.refresh(), RETRY);
      return;
    }
    this.outage.answered();
    if (this.latest.isAhead(this.found)) this.soon();
    if (this.view) {
      this.context.retry();
      this.header.update();
      this.view.refreshed?.();
    } else this.mount();
  }

  /** Refresh once for all events that come within a moment. */
  soon() {
    this.timer ??= setTimeout(async () => {
      this.timer = null;
      await this.refresh();
    }, Math.min(LEAST, Math.max(GATHER, LEAST - (Date.now() - (this.receivedAt ?? 0)))));
  }

  /** Now, by the clock of the server: the wall's, or in a replay the job's own, which stands between its records. */
  get now() {
    const passed = this.about.clock === 'wall' && this.receivedAt ? Math.max(0, Date.now() - this.receivedAt) / 1000 : 0;
    return this.about.now + passed;
  }

  judge() { this.jobs = judged(this.found ?? [], this.about, this.now, this.outage.seconds); }

  /** Time passed, though nothing came. */
  aged() {
    if (!this.view || document.hidden || this.stream.isPaused) return;
    this.judge();
    this.view.aged?.();
  }

  /** What is shown has become old, or is no longer. */
  outdated(isLong) {
    document.body.classList.toggle('is-old', isLong);
    if (isLong) this.announce('No data comes: what you see is old.');
    else if (!this.stream.isPaused) this.refresh();
    this.aged();
  }

  /** The badge, and what a connection lost or found means for what is shown. */
  connection(status, count) {
    this.header?.connection(status, count);
    this.outage?.look();
    if (status === 'refused' || (status === 'live' && this.main.querySelector('.failed'))) this.soon();
  }

  /** Try to reach the server now. */
  again() {
    this.stream.resume();
    this.refresh();
  }

  go(state, replace = false) {
    const address = write(state);
    if (replace) history.replaceState(null, '', address);
    else history.pushState(null, '', address);
    this.follow(parse(address));
  }

  follow(state) {
    const before = this.state;
    this.state = state;
    this.theme();
    this.header.update();
    if (!this.jobs.length && !this.view) return;
    const isSame = this.view && this.mounted.view === state.view && this.mounted.job === this.jobName();
    if (isSame) this.view.update?.(state, before);
    else this.mount();
  }

  mount() {
    this.view?.unmount?.();
    this.context?.end();
    this.context = new Context(this);
    this.mounted = { view: this.state.view, job: this.jobName() };
    const module = VIEWS[this.state.view] ?? overview;
    this.header.update();
    document.title = `${module.title} \u00b7 Streamgauge`;
    this.main.className = `view-${this.state.view in VIEWS ? this.state.view : 'overview'}`;
    put(this.main);
    scrollTo(0, 0);
    this.view = module.mount(this.main, this.context);
  }

  /** The job that is looked at: the worst one of the user's, not the pipeline's own. */
  jobName() { return this.state.job ?? (this.jobs.find((row) => !row.isOwn) ?? this.jobs[0])?.job ?? ''; }

  jobRow() { return this.jobs.find((row) => row.job === this.jobName()); }

  settingsOf(name) { return this.about.jobs.find((row) => row.name === name) ?? { name, timezone: 'UTC', slide: 10, warm_up: 0 }; }

  edge() { return this.jobRow()?.last_data ?? this.about.now; }

  range() { return rangeOf(this.state, this.edge(), this.usual()); }

  /** The range that is shown while none is chosen. */
  usual() { return usualRange(this.settingsOf(this.jobName()).short, this.edge() - (this.jobRow()?.first ?? -Infinity)); }

  get zone() { return this.state.tz === 'utc' ? 'utc' : 'local'; }

  changed(patch) { return changed(this.state, patch); }

  link(patch) { return write(this.changed(patch)); }

  announce(text) { document.querySelector('#live').textContent = text; }

  theme() {
    const theme = this.state.theme ?? stored('theme');
    if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    dispatchEvent(new Event('themechange'));
  }

  toggleTheme() {
    const isDark = getComputedStyle(document.body).getPropertyValue('--is-dark').trim() === '1';
    const theme = isDark ? 'light' : 'dark';
    try { localStorage.setItem('theme', theme); } catch { /* a page without storage forgets it */ }
    this.go(this.changed({ theme }), true);
  }

  toggleZone() { this.go(this.changed({ tz: this.state.tz === 'utc' ? null : 'utc' }), true); }

  togglePause() {
    if (this.stream.isPaused) this.stream.resume();
    else this.stream.pause();
  }

  search() {
    const box = this.main.querySelector('input[type=search]');
    if (box) box.focus();
    else {
      this.go(this.changed({ view: 'overview' }));
      this.main.querySelector('input[type=search]')?.focus();
    }
  }

  /** Esc: close what is open in the view, else the overview. */
  back() {
    if (this.view?.back?.()) return;
    if (this.state.view !== 'overview') this.go(this.changed({ view: 'overview', worker: null, entity: null }));
  }

  /** The address with absolute times, so that a colleague sees the same. */
  async copyLink() {
    const { start, end } = this.range();
    const shared = this.changed({ job: this.jobName(), from: Math.floor(start), to: Math.ceil(end), theme: null });
    const address = `${location.origin}${location.pathname}${write(shared)}`;
    try {
      await navigator.clipboard.writeText(address);
      this.announce('Link copied.');
    } catch {
      this.go(shared);
      this.announce('The address bar holds the link.');
    }
  }

  export(form) {
    const { name, rows } = this.context.exported?.() ?? { name: 'jobs', rows: this.jobs };
    const file = `streamgauge-${name}.${form}`.replace(/[^\w.-]+/g, '_').slice(0, 120);
    if (form === 'csv') save(file, 'text/csv', csv(rows));
    else save(file, 'application/json', JSON.stringify(rows, null, 1));
  }
}

function stored(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

new Page().start();
