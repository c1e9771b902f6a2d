// One stream of server-sent events a tab: what comes is handed out by name; a cut is replayed from the last id.

const NAMES = [
  'score', 'points', 'profiles', 'anomaly', 'change', 'counters', 'silence', 'ack', 'unsuppress', 'topology',
  'decision', 'notification', 'status', 'catalogue',
];
const MOST_WAIT = 15_000; // milliseconds between two attempts
const SILENT = 40_000; // milliseconds after which an open stream is dead: the server says that it is alive every 15 s

export class Stream {
  /** `tell(status, count)` hears: connecting, live, reconnecting, refused, replayed (with the number of events), paused. */
  constructor(tell) {
    this.tell = tell;
    this.last = '';
    this.attempts = 0;
    this.listeners = new Set();
    this.source = null;
    this.isPaused = false;
    this.hasBeenLive = false;
    this.replaying = null;
    this.heardAt = Date.now();
    this.isRefused = false; // there is a server, but it gives no stream
    this.first = new Promise((done) => { this.isFirst = done; }); // the first time that it is live
    this.cutSince = null; // milliseconds by this computer's clock; null while events come
    setInterval(() => this.watch(), 1000);
  }

  /** Hear events by name, or `reset`: everything may have changed. Returns the end of hearing. */
  on(names, hear) {
    const listener = { names: new Set(names), hear };
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  open() {
    this.close();
    this.tell(this.hasBeenLive ? 'reconnecting' : 'connecting', 0);
    this.source = new EventSource(this.last ? `/api/events?since=${encodeURIComponent(this.last)}` : '/api/events');
    this.source.addEventListener('hello', (event) => this.hello(event));
    this.source.addEventListener('reset', (event) => this.reset(event));
    this.source.addEventListener('replayed', (event) => this.replayed(event));
    this.source.addEventListener('alive', () => { this.heardAt = Date.now(); });
    this.heardAt = Date.now();
    for (const name of NAMES) this.source.addEventListener(name, (event) => this.came(name, event));
    this.source.onerror = () => this.failed();
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  pause() {
    this.isPaused = true;
    this.cutSince = null;
    this.close();
    this.tell('paused', 0);
  }

  resume() {
    this.isPaused = false;
    this.attempts = 0;
    this.open();
  }

  hello(event) {
    this.replaying = this.hasBeenLive && this.last ? 0 : null;
    this.hasBeenLive = true;
    this.isFirst();
    this.attempts = 0;
    this.isRefused = false;
    this.heardAt = Date.now();
    if (this.replaying === null) this.cutSince = null;
    this.last = event.lastEventId;
    this.tell('live', 0);
  }

  reset(event) {
    this.last = event.lastEventId;
    this.replaying = this.cutSince = null;
    this.hand('reset', null);
    this.tell('replayed', null);
  }

  replayed(event) {
    this.last = event.lastEventId;
    const count = this.replaying ?? 0;
    this.replaying = this.cutSince = null;
    this.tell('replayed', count);
  }

  came(name, event) {
    this.last = event.lastEventId;
    this.heardAt = Date.now();
    if (this.replaying !== null) this.replaying += 1;
    let data;
    try {
      data = JSON.parse(event.data);
    } catch {
      return;
    }
    this.hand(name, data);
  }

  hand(name, data) {
    for (const { names, hear } of this.listeners) if (names.has(name) || name === 'reset') hear(name, data);
  }

  failed() {
    if (this.isPaused || this.source === null) return;
    this.cutSince ??= Date.now();
    this.isRefused = this.source.readyState === EventSource.CLOSED; // by a status; a cut is tried again by the browser
    this.tell(this.isRefused ? 'refused' : 'reconnecting', 0);
    if (this.isRefused) this.later();
  }

  /** Nothing was heard for so long that the connection must be dead, though nobody said so: a sleep, a lost route. */
  watch() {
    if (this.isPaused || this.source === null || Date.now() - this.heardAt < SILENT) return;
    this.cutSince ??= this.heardAt;
    this.open();
  }

  /** Try again in a while, more seldom each time. */
  later() {
    this.close();
    this.attempts += 1;
    const wait = Math.min(MOST_WAIT, 500 * 2 ** Math.min(this.attempts, 8)) * (0.75 + Math.random() / 2);
    this.timer = setTimeout(() => this.open(), wait);
  }
}
