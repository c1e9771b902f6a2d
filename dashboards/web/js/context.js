// What a view is given: state, data of the job, requests that end with the view, events, and what is exported.

import * as api from './api.js';
import { el, empty, put, redrawn } from './dom.js';
import * as format from './format.js';
import { changed, compared, rangeOf, write } from './state.js';

const GATHER = 400; // milliseconds over which events are gathered

/** One mounted view's context; `end` ends everything it began. */
export class Context {
  constructor(page) {
    this.page = page;
    this.ends = [];
    this.controllers = new Map();
    this.exported = null;
    this.children = new Set();
    this.unanswered = new Map(); // what to do again once the server answers, by box
  }

  get state() { return this.page.state; }

  /** The name of the job that is looked at; "" while none is known. */
  get job() { return this.page.jobName(); }

  /** The rows of /api/jobs, worst first. */
  get jobs() { return this.page.jobs; }

  /** What /api/about said: clock, now and the jobs' settings. */
  get about() { return this.page.about; }

  /** The settings of the job that is looked at: {name, timezone, warm_up, slide}. */
  get settings() { return this.page.settingsOf(this.job); }

  /** The newest time that the job knows of. */
  get edge() { return this.page.edge(); }

  /** {start, end, isRelative} of the whole page. */
  get range() { return rangeOf(this.state, this.edge, this.page.usual()); }

  /** [start, end) that is compared with as much before it. */
  get compared() { return compared(this.range, this.page.jobRow()?.first); }

  /** Change the state, and with it the address; `replace` leaves no entry in the history. */
  set(patch, { replace = false } = {}) { this.page.go(changed(this.state, patch), replace); }

  /** The address of a changed state, for an href. */
  link(patch) { return write(changed(this.state, patch)); }

  /** A time as text, in the zone that was chosen. */
  time(seconds, full = false) { return format.time(seconds, this.zone, full); }

  get zone() { return this.page.zone; }

  /** Say a change of state to a screen reader. */
  announce(text) { this.page.announce(text); }

  /** GET of a route of the job, ended with the view. */
  get(route, parameters = {}, signal = undefined) { return api.get(api.ofJob(this.job, route), parameters, signal); }

  /** POST of an action of the job. */
  post(route, body) { return api.post(api.ofJob(this.job, route), body); }

  /** Fill `box` with what `ask(signal)` answers: skeleton, then `draw(answer)`, or the error with a way to try again.
   *  A newer load of the same box overtakes an older one; what is shown stays until then. */
  async load(box, ask, draw) {
    this.controllers.get(box)?.abort();
    const controller = new AbortController();
    this.controllers.set(box, controller);
    this.unanswered.delete(box);
    if (!box.hasChildNodes()) put(box, el('div', { class: 'skeleton', 'aria-hidden': 'true' }));
    box.setAttribute('aria-busy', 'true');
    try {
      const answer = await ask(controller.signal);
      if (!controller.signal.aborted) redrawn(box, () => draw(answer));
    } catch (error) {
      if (!controller.signal.aborted) this.fail(box, error, () => this.load(put(box), ask, draw));
    } finally {
      if (this.controllers.get(box) === controller) box.removeAttribute('aria-busy');
    }
  }

  fail(box, error, again) {
    put(box, failure(error, again));
    if (error.status === 0 || error.status >= 500) this.unanswered.set(box, again);
  }

  /** The server answers again: load what it did not answer. */
  retry() {
    for (const child of this.children) child.retry();
    for (const again of [...this.unanswered.values()]) again();
  }

  /** Hear events of the stream by name, gathered: `hear([{name, data}, ...])`. Every name also hears "reset". */
  on(names, hear, { gather = GATHER } = {}) {
    let waiting = [];
    let timer = null;
    const off = this.page.stream.on(names, (name, data) => {
      waiting.push({ name, data });
      timer ??= setTimeout(() => {
        const came = waiting;
        waiting = [];
        timer = null;
        hear(came);
      }, gather);
    });
    this.ends.push(() => { off(); clearTimeout(timer); });
  }

  /** Whether an event of the stream is about the job that is looked at. */
  isMine({ name, data }) { return name === 'reset' || !data?.job || data.job === this.job; }

  /** What is exported as CSV or JSON: `rows()` returns {name, rows: [{...}, ...]}. */
  exports(rows) { this.exported = rows; }

  /** A context for a part that is drawn anew: end it before the next one, or it ends with the view. */
  child() {
    const child = new Context(this.page);
    this.children.add(child);
    child.atEnd(() => this.children.delete(child));
    return child;
  }

  /** Call `f` when the view ends. */
  atEnd(f) { this.ends.push(f); }

  end() {
    for (const controller of this.controllers.values()) controller.abort();
    for (const child of [...this.children]) child.end();
    for (const f of this.ends) f();
    this.ends = [];
  }
}

/** An error as a box with its remedy and a way to try again. */
export function failure(error, again = null) {
  const box = empty(error.message || String(error), error.remedy || '');
  box.classList.add('failed');
  box.setAttribute('role', 'alert');
  if (again) box.append(el('button', { type: 'button', on: { click: again } }, 'Try again'));
  return box;
}
