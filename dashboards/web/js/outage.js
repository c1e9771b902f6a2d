// Old data is said aloud: a banner once nothing could be had from the server for long, gone when what was missed has come.

import { el, put } from './dom.js';
import * as format from './format.js';

const LONG = 30_000; // milliseconds without the server after which what is shown is called old
const STEP = 1000;

export class Outage {
  /** `page` has stream, zone and now; `changed(isLong)` hears when data become old, and when they are no longer. */
  constructor(page, box, changed) {
    this.page = page;
    this.box = box;
    this.changed = changed;
    this.failing = null; // {since, reason}: the jobs could not be asked for
    this.isLong = false;
    setInterval(() => this.look(), STEP);
    document.addEventListener('visibilitychange', () => this.look());
  }

  /** The jobs could not be asked for: an ApiError. */
  failed(error) {
    this.failing = { since: this.failing?.since ?? Date.now(), reason: error.message };
    this.look();
  }

  /** They could. */
  answered() {
    this.failing = null;
    this.look();
  }

  /** Seconds since which nothing came, by the clock of this computer; 0 while that is not long. */
  get seconds() {
    return this.isLong ? (Date.now() - this.since) / 1000 : 0;
  }

  get since() {
    return Math.min(this.cutSince ?? Infinity, this.failing?.since ?? Infinity);
  }

  /** Since when the stream is cut; where it is only refused, the jobs are asked for instead. */
  get cutSince() {
    return this.page.stream.isRefused ? null : this.page.stream.cutSince;
  }

  look() {
    const isLong = !this.page.stream.isPaused && Date.now() - this.since >= LONG;
    const isOther = isLong !== this.isLong;
    this.isLong = isLong;
    if (isLong) this.draw();
    this.box.hidden = !isLong;
    if (isOther) this.changed(isLong);
  }

  draw() {
    const seconds = Math.floor(this.seconds);
    const length = format.duration(seconds < 60 ? seconds : seconds - seconds % 60);
    const text = `No data since ${format.clock(this.since / 1000, this.page.zone)} (${length}): what you see is old.`;
    if (this.box.firstChild?.textContent === text) return;
    const reason = this.cutSince !== null ? 'the stream of events is cut' : this.failing.reason;
    put(this.box, el('b', {}, text), el('span', { class: 'banner-why' }, `${format.sentence(reason)}; the page tries again by itself.`),
      el('button', { type: 'button', on: { click: () => this.page.again() } }, 'Try now'));
  }
}
