// The bar at the top: views, the job, the range of the whole page, the connection, and what can be done with it all.

import { el, put } from './dom.js';
import * as format from './format.js';
import { help } from './keys.js';
import { RANGES } from './state.js';

const WORDS = { connecting: 'connecting', live: 'live', reconnecting: 'reconnecting', refused: 'no stream, asking instead', replayed: 'live', paused: 'paused' };

/** Build the bar once; `update(page)` follows the state. */
export class Header {
  constructor(root, page, views) {
    this.page = page;
    this.tabs = Object.entries(views).map(([name, view]) => el('a', { data: { view: name } }, view.title));
    this.nav = el('nav', { class: 'tabs', 'aria-label': 'Views' }, this.tabs);
    this.badge = el('span', { class: 'badge', role: 'status' });
    this.jobs = el('select', { 'aria-label': 'Job', on: { change: () => page.go(page.changed({ job: this.jobs.value, entity: null, worker: null, series: null, metric: null, domain: null, incident: null })) } });
    this.ranges = el('div', { class: 'ranges', role: 'group', 'aria-label': 'Range' });
    this.filters = el('div', { class: 'filters' });
    this.pause = el('button', { type: 'button', class: 'quiet', on: { click: () => page.togglePause() } });
    this.zone = el('button', { type: 'button', class: 'quiet hide-narrow', title: 'Local time or UTC (u)', on: { click: () => page.toggleZone() } });
    const theme = el('button', { type: 'button', class: 'quiet hide-narrow', title: 'Dark or light (t)', on: { click: () => page.toggleTheme() } }, 'Theme');
    this.zoneInMenu = el('button', { type: 'button', class: 'only-narrow', on: { click: () => page.toggleZone() } }, 'Local time or UTC');
    const more = el('details', { class: 'menu' }, el('summary', {}, el('span', { class: 'hide-narrow' }, 'Share'), el('span', { class: 'only-narrow' }, 'More')), el('div', { class: 'menu-list' },
      el('button', { type: 'button', on: { click: () => page.copyLink() } }, 'Copy link'),
      el('button', { type: 'button', on: { click: () => page.export('csv') } }, 'Export CSV'),
      el('button', { type: 'button', on: { click: () => page.export('json') } }, 'Export JSON'),
      this.zoneInMenu,
      el('button', { type: 'button', class: 'only-narrow', on: { click: () => page.toggleTheme() } }, 'Dark or light'),
      el('button', { type: 'button', class: 'only-narrow', on: { click: help } }, 'Keyboard')));
    more.addEventListener('click', (event) => { if (event.target.closest('button')) more.open = false; });
    document.addEventListener('click', (event) => { if (!more.contains(event.target)) more.open = false; });
    put(root,
      el('div', { class: 'bar' }, el('a', { class: 'brand', href: '#/overview' }, 'Streamgauge'), this.jobs,
        el('div', { class: 'push' }), this.badge, this.pause, this.zone, theme, more,
        el('button', { type: 'button', class: 'quiet hide-narrow', 'aria-label': 'Keyboard help', title: 'Keyboard (?)', on: { click: help } }, '?')),
      el('div', { class: 'bar second' }, this.nav, el('div', { class: 'push' }), this.filters, this.ranges));
    this.connection('connecting', 0);
  }

  update() {
    const { page } = this;
    for (const tab of this.tabs) {
      tab.setAttribute('href', page.link({ view: tab.dataset.view }));
      if (tab.dataset.view === page.state.view) tab.setAttribute('aria-current', 'page');
      else tab.removeAttribute('aria-current');
    }
    this.showTab();
    this.updateJobs();
    this.updateRange();
    this.updateFilters();
    this.updateZone();
  }

  /** Local time and UTC are told apart where they differ. */
  updateZone() {
    const { page } = this;
    const isSame = new Date(1000 * (page.edge() || Date.now() / 1000)).getTimezoneOffset() === 0;
    for (const button of [this.zone, this.zoneInMenu]) button.hidden = isSame;
    this.zone.textContent = page.state.tz === 'utc' ? 'UTC' : 'Local time';
  }

  /** Scroll the tab of a new view into sight, where not all have room; nothing else moves. */
  showTab() {
    if (this.shownView === this.page.state.view) return;
    this.shownView = this.page.state.view;
    const tab = this.tabs.find((one) => one.hasAttribute('aria-current'));
    if (tab) this.nav.scrollLeft = tab.offsetLeft - this.nav.offsetLeft - (this.nav.clientWidth - tab.offsetWidth) / 2;
  }

  updateJobs() {
    const names = this.page.jobs.map((row) => row.job).sort();
    const key = JSON.stringify(names);
    if (this.shownJobs !== key) {
      this.shownJobs = key;
      put(this.jobs, names.map((job) => el('option', { value: job }, format.name(job, 60))));
    }
    this.jobs.value = this.page.jobName();
    this.jobs.hidden = !names.length;
  }

  updateRange() {
    const { page } = this;
    const range = page.range();
    const buttons = Object.keys(RANGES).map((name) => el('a', {
      href: page.link({ range: name }), class: 'pill', 'aria-current': range.isRelative && range.name === name ? 'true' : null,
    }, name));
    const zone = page.state.tz === 'utc' ? 'utc' : 'local';
    const custom = range.isRelative ? null : el('span', { class: 'custom' },
      `${format.time(range.start, zone)} \u2013 ${format.time(range.end, zone)}`,
      el('a', { href: page.link({ range: null }), 'aria-label': 'Back to the usual range', title: 'Back to the usual range' }, '\u00d7'));
    put(this.ranges, custom, buttons);
  }

  updateFilters() {
    const shown = ['worker', 'entity'].filter((key) => this.page.state[key]);
    put(this.filters, shown.map((key) => el('span', { class: 'custom' },
      el('span', { class: 'muted' }, `${key} `), format.name(this.page.state[key], 40),
      el('a', { href: this.page.link({ [key]: null }), 'aria-label': `Remove the filter by ${key}`, title: 'Remove' }, '\u00d7'))));
  }

  /** The badge: live, reconnecting, replayed n events. */
  connection(status, count) {
    this.badge.className = `badge is-${status}`;
    const text = status === 'replayed' ? (count === null ? 'live \u00b7 reloaded' : count ? `live \u00b7 replayed ${format.count(count)}` : 'live') : WORDS[status];
    put(this.badge, el('span', { class: 'dot', 'aria-hidden': 'true' }), text);
    const isPaused = status === 'paused';
    this.pause.textContent = isPaused ? 'Go on' : 'Pause';
    this.pause.title = isPaused ? 'Go on, with what was missed (p)' : 'Hold the page still (p)';
  }
}
