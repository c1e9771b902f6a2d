// Numbers with units, times and names as text; pure.

const RATES = /(_rate|_share|coverage|_overdue|_expired|top_share.*|keep_up|cpu|memory|trace_loss|vanishing|exploding|auc_volatility|pipeline_(late|dropped|lost|overflow|failing))(@H)?$/;
const SECONDS = /(_delay.*|_age|_lag|label_silence|step_time.*|close_time)$/;
const SIGMAS = /^(change_rate|relative_bias)$/;
const BELOW_ONE = /^(auc|slice_auc|gauc|auc_pr|ap|average_precision|js_distance|ks)(@.*)?$/;
const PER_SECOND = /^(volume|throughput|label_arrivals|pipeline_records)$/;
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** A name from a trace, safe to read: no control or direction characters, at most `most` characters. */
export function name(text, most = 80) {
  const clean = String(text ?? '').replace(CONTROL, '\u00b7');
  return clean.length > most ? `${clean.slice(0, most - 1)}\u2026` : clean;
}

/** A score or points of one, one digit after the point. */
export function score(value) {
  return value === null || value === undefined ? '\u2013' : value.toFixed(1);
}

/** With its sign; the minus is a minus. */
export function signed(value, digits = 1) {
  if (value === null || value === undefined) return '\u2013';
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? `\u00b1${text}` : `${value > 0 ? '+' : '\u2212'}${text}`;
}

/** Four significant digits, with k, M, G above 10,000. */
export function number(value) {
  if (value === null || value === undefined) return 'unknown';
  const size = Math.abs(value);
  if (size >= 1e13) return value.toExponential(2);
  for (const [limit, unit] of [[1e9, 'G'], [1e6, 'M'], [1e4, 'k']]) {
    if (size >= limit) return `${trim((value / (limit === 1e4 ? 1e3 : limit)).toPrecision(4))} ${unit}`.replace('-', '\u2212');
  }
  if (size !== 0 && size < 1e-3) return value.toExponential(2).replace('-', '\u2212').replace('e\u2212', 'e-');
  return trim(value.toPrecision(4)).replace('-', '\u2212');
}

/** A value of a metric in its unit. */
export function measured(metric, value) {
  if (value === null || value === undefined) return 'unknown';
  if (SIGMAS.test(metric)) return `${number(value)} \u03c3`;
  if (RATES.test(metric)) return `${number(Number((100 * value).toPrecision(3)))} %`;
  if (SECONDS.test(metric)) return duration(value);
  if (PER_SECOND.test(metric)) return `${number(value)} /s`;
  return number(value);
}

/** The unit of a metric's axis, "" for a pure number. */
export function unit(metric) {
  if (SIGMAS.test(metric)) return '\u03c3';
  if (RATES.test(metric)) return 'ratio';
  if (SECONDS.test(metric)) return 's';
  return PER_SECOND.test(metric) ? '1/s' : '';
}

/** The most that a metric can be. */
export function most(metric) {
  return (RATES.test(metric) && !SIGMAS.test(metric)) || BELOW_ONE.test(metric) ? 1 : Infinity;
}

/** Seconds as the two units that matter. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return '\u2013';
  const sign = seconds < 0 ? '\u2212' : '';
  let rest = Math.abs(seconds);
  if (rest < 1) return rest === 0 ? '0 s' : `${sign}${trim((rest * 1000).toPrecision(3))} ms`;
  if (rest < 60) return `${sign}${trim(rest.toPrecision(3))} s`;
  rest = Math.round(rest);
  const parts = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
  const first = parts.findIndex(([length]) => rest >= length);
  const [length, word] = parts[first];
  const next = parts[first + 1];
  const more = next ? Math.floor((rest % length) / next[0]) : 0;
  return `${sign}${Math.floor(rest / length)} ${word}${more ? ` ${more} ${next[1]}` : ''}`;
}

/** Bytes with binary units. */
export function bytes(count) {
  if (count === null || count === undefined) return '\u2013';
  for (const [size, word] of [[2 ** 30, 'GiB'], [2 ** 20, 'MiB'], [2 ** 10, 'KiB']]) {
    if (count >= size) return `${trim((count / size).toPrecision(3))} ${word}`;
  }
  return `${count} B`;
}

/** Whole counts with thin spaces between thousands. */
export function count(value) {
  return value === null || value === undefined ? '\u2013' : Math.round(value).toLocaleString('en-GB').replace(/,/g, '\u2009');
}

const FIELDS = { hourCycle: 'h23', day: '2-digit', month: 'short', hour: '2-digit', minute: '2-digit' };

/** A time in the zone: "23 Jan 14:05", with the year and seconds if `full`. `zone` is "utc" or "local". */
export function time(seconds, zone, full = false) {
  if (seconds === null || seconds === undefined || Math.abs(seconds) > 8e12) return '\u2013';
  const more = full ? { year: 'numeric', second: '2-digit' } : {};
  const options = { ...FIELDS, ...more, timeZone: zone === 'utc' ? 'UTC' : undefined };
  return new Intl.DateTimeFormat('en-GB', options).format(new Date(seconds * 1000)).replace(',', '').replace('Sept', 'Sep');
}

/** A time of day to the second, in the zone. */
export function clock(seconds, zone) {
  const options = { hourCycle: 'h23', hour: '2-digit', minute: '2-digit', second: '2-digit', timeZone: zone === 'utc' ? 'UTC' : undefined };
  return new Intl.DateTimeFormat('en-GB', options).format(new Date(seconds * 1000));
}

/** With a capital at its start. */
export function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** "feature:tailnum" in words: what kind of thing, and its name. */
export function entity(text, most = 60) {
  if (!text) return 'the whole';
  const at = text.indexOf(':');
  return at < 0 ? name(text, most) : `${name(text.slice(at + 1), most)}`;
}

/** What an entity is: "feature", "tensor", "label", "" for the whole. */
export function kind(text) {
  const at = (text || '').indexOf(':');
  return at < 0 ? '' : name(text.slice(0, at), 20);
}

function trim(text) {
  return text.includes('.') && !text.includes('e') ? text.replace(/\.?0+$/, '') : text;
}
