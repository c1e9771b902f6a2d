// The whole state of the page as the fragment of its address: #/view?job=...&range=7d&...; pure but for the address.

export const RANGES = { __proto__: null, '15m': 900, '1h': 3600, '3h': 10800, '24h': 86400, '7d': 604800, '28d': 2419200, '90d': 7776000, '1y': 31536000 };
const STICKY = ['job', 'range', 'from', 'to', 'tz', 'theme', 'worker', 'entity']; // kept when the view changes
const MOST = 4096; // characters of one value that are read
const MESSAGE = /^([^/]+)\/incidents\/([^/]+)$/; // what messages link to: /JOB/incidents/ID

/** {view, key: value, ...} from a fragment; whatever does not fit is left out. */
export function parse(fragment) {
  const [path, query = ''] = fragment.replace(/^#\/?/, '').split(/\?(.*)/s);
  const [, job, incident] = path.match(MESSAGE) ?? [];
  const state = incident
    ? { __proto__: null, view: 'incidents', job: decoded(job), incident: decoded(incident) }
    : { __proto__: null, view: path || 'overview' };
  for (const [key, value] of new URLSearchParams(query)) {
    if (key !== 'view' && value !== '' && value.length <= MOST) state[key] = value;
  }
  if (!(Number(state.from) < Number(state.to))) {
    delete state.from;
    delete state.to;
  }
  if (state.range && !(state.range in RANGES)) delete state.range;
  return state;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The fragment of a state. */
export function write(state) {
  const { view, ...rest } = state;
  const query = new URLSearchParams(Object.entries(rest).filter(([, value]) => value !== null && value !== undefined && value !== ''));
  const text = query.toString();
  return `#/${view}${text ? `?${text}` : ''}`;
}

/** A state with a change: null removes; another view keeps only what is sticky. */
export function changed(state, patch) {
  const kept = patch.view && patch.view !== state.view
    ? Object.fromEntries(Object.entries(state).filter(([key]) => STICKY.includes(key)))
    : { ...state };
  const next = { ...kept, view: state.view, ...patch };
  if ('range' in patch) next.from = next.to = null;
  if ('from' in patch) next.range = null;
  for (const key of Object.keys(next)) if (next[key] === null || next[key] === undefined) delete next[key];
  for (const key of Object.keys(next)) next[key] = String(next[key]);
  return next;
}

/** The range that a job is first shown by: 60 of its short windows or what is there of it, rounded up, a week at most. */
export function usualRange(short, age) {
  const wanted = Math.min(60 * (short || 60), Math.max(age || 0, RANGES['15m']), RANGES['7d']);
  return Object.keys(RANGES).find((name) => RANGES[name] >= wanted) ?? '7d';
}

/** What of a range is compared with what was before it: all of it, or of a job that is younger than twice that the newer half. */
export function compared({ start, end, isRelative }, first) {
  const isYoung = isRelative && first !== undefined && first !== null && first < end && first > start - (end - start);
  return isYoung ? { start: (Math.max(first, start - (end - start)) + end) / 2, end } : { start, end };
}

/** [start, end) that a state means, where relative ranges end at `edge`, `usual` without one; both in seconds. */
export function rangeOf(state, edge, usual = '7d') {
  if (state.from && state.to) return { start: Number(state.from), end: Number(state.to), isRelative: false };
  const name = state.range || usual;
  return { start: edge - RANGES[name], end: edge + 1, isRelative: true, name };
}
