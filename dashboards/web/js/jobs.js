// A job's state in a word: its band, or that it is stale, warming up or only partly known; pure.

const LATE = 3; // windows without data after which a job is stale
const TRIES = 100; // each some seconds after the other: a store that is locked for a minute is waited for
const KNOWN = 0.7; // coverage below which the number is shown grey

const ORDER = { broken: 0, stale: 1, degraded: 2, watch: 3, unknown: 4, warming: 5, learning: 5, healthy: 6 };
export const WORDS = { warming: 'warming up', unknown: 'partly known' };

/** The rows of /api/jobs with `state`, `word`, `age`, `phase` and `learning` (seconds until the next phase) at `now`, worst first.
 *  Where nothing came for `cut` seconds, every job keeps its place and is stale, with the word of what it was. */
export function judged(jobs, about, now, cut = 0) {
  const settings = new Map(about.jobs.map((row) => [row.name, row]));
  const rows = jobs.map((job) => ({ ...job, isOwn: settings.get(job.job)?.is_own ?? false, ...stateOf(job, settings.get(job.job), now) }));
  rows.sort((a, b) => ORDER[a.state] - ORDER[b.state] || (a.score ?? 101) - (b.score ?? 101) || (a.job < b.job ? -1 : 1));
  return cut ? rows.map((row) => (row.age === null ? row : { ...row, ...outdated(row) })) : rows;
}

function outdated({ state, word }) {
  return { state: 'stale', word: state === 'stale' ? word : `stale, was ${word}` };
}

function stateOf(job, settings, now) {
  if (job.score === undefined) return { state: 'warming', word: WORDS.warming, age: null, learning: 0 };
  const age = Math.max(0, now - job.last_data);
  const { phase, until } = job.warm_up ?? { phase: 'grown', until: null };
  const learning = until === null ? 0 : Math.max(0, until - job.end);
  const state = age > LATE * (settings?.slide ?? 60) ? 'stale' : job.band === 'learning' ? 'learning' : bandAt(job.band, job.coverage);
  return { state, word: WORDS[state] ?? state, age, learning, phase };
}

/** What the stream has told and the store may not have yet: a page that asks too early must ask again. */
export class Latest {
  constructor() {
    this.ends = new Map(); // of the newest score that was told, by job
    this.asked = 0;
  }

  heard(name, data) {
    this.asked = 0;
    if (name === 'score') this.ends.set(data.job, Math.max(data.end, this.ends.get(data.job) ?? -Infinity));
  }

  /** Whether a score was told that is not among these rows; never said more than `TRIES` times in a row. */
  isAhead(rows) {
    for (const { job, end } of rows) if (end >= this.ends.get(job)) this.ends.delete(job);
    this.asked += 1;
    if (this.asked >= TRIES) this.ends.clear();
    return this.ends.size > 0;
  }
}

/** A band, or that too little is known for one. */
export function bandAt(band, coverage) {
  return coverage < KNOWN ? 'unknown' : band;
}

/** The band of a score. */
export function bandOf(score) {
  return score >= 90 ? 'healthy' : score >= 75 ? 'watch' : score >= 60 ? 'degraded' : 'broken';
}

/** A score as it is shown: none of a job that is learning, while nothing is wrong by itself. */
export function shownScore(row, score) {
  return row.state === 'learning' && ['healthy', 'watch'].includes(bandOf(score)) ? null : score;
}
