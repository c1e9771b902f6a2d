// A job at a glance: score, state, change, coverage, age; its domains; and its incidents in a few lines.

import { chip, el, empty, put } from './dom.js';
import * as format from './format.js';
import { WORDS, bandAt, bandOf, shownScore } from './jobs.js';
import { placeOf } from './places.js';

/** The first line about a job. */
export function summary(row, ctx) {
  if (!row) return empty('No such job.', 'Choose one in the list at the top.');
  if (row.score === undefined) return empty(`${format.name(row.job)} is warming up.`, 'Its first score comes with its first closed window.');
  return el('div', { class: 'summary' },
    el('div', { class: `score is-${row.state}` }, el('b', {}, format.score(shownScore(row, row.score))), el('span', { class: 'muted small' }, row.state === 'learning' ? 'no score yet' : 'of 100')),
    el('dl', { class: 'facts' },
      fact('State', chip(row.state, row.word)),
      row.past ? fact('Window until', ctx.time(row.past)) : Number.isFinite(row.change) ? fact('Against 1 h before', format.signed(row.change)) : null,
      fact('Coverage', `${Math.round(row.coverage * 100)} %`),
      row.past ? null : fact('Last data', row.age < 1 ? ctx.time(row.last_data) : `${format.duration(Math.round(row.age))} ago`),
      row.learning > 0 ? fact('Detectors', warmUp(row, ctx)) : null,
      row.learning > 0 && row.reference ? fact('Reference', el('span', { title: row.reference.text }, format.name(row.reference.text, 90))) : null,
      row.cap ? fact('Capped by', format.name(row.cap, 40)) : null));
}

/** What pages by now, and until when more of it does. */
function warmUp(row, ctx) {
  const [word, rest] = row.phase === 'learning' ? ['learning', 'facts and limits page; changes are told from'] : ['young', 'changes are told on a wider band; the full one from'];
  return el('span', {}, chip('warming', word), el('span', { class: 'muted small' }, ` ${rest} ${ctx.time(row.warm_up.until)}`));
}

/** A job's row as it was at a breakdown of the past. */
export function asOf(row, found) {
  const state = bandAt(bandOf(found.score), found.coverage);
  return { ...row, score: found.score, state, word: WORDS[state] ?? state, coverage: found.coverage, cap: found.cap, domains: found.domains, past: found.end, learning: 0 };
}

/** The domains as links that choose whose breakdown is shown. */
export function domains(row, ctx, view = 'job') {
  const chosen = ctx.state.view === view ? ctx.state.domain : null;
  return el('div', { class: 'domains' }, row.domains.map((domain) => [domain, shownScore(row, domain.score)]).map(([domain, score]) => el('a', {
    class: 'domain', href: ctx.link({ view, domain: chosen === domain.domain ? null : domain.domain, job: row.job }),
    'aria-current': chosen === domain.domain ? 'true' : null,
  }, el('span', { class: 'domain-name' }, el('i', { class: 'key', style: { background: `var(--${domain.domain})` } }), domain.domain),
  el('b', { class: score === null ? 'is-learning' : `is-${bandOf(score)}` }, format.score(score)),
  meter(score ?? 0, `--${domain.domain}`),
  el('span', { class: 'muted small' }, domain.coverage < 0.995 ? `${Math.round(domain.coverage * 100)} % known` : score === null ? 'learning' : domain.band))));
}

/** The incidents of the range; where there are none, the last ones before it. */
export async function told(ctx, signal, most = 20) {
  const { start, end } = ctx.range;
  const found = await ctx.get('incidents', { start, end, limit: most }, signal);
  if (found.length) return { found, before: [] };
  return { found, before: await ctx.get('incidents', { start: 0, end: start, limit: 4 }, signal) };
}

/** Of a range in which nobody was paged: the last pages before it, and where to look beside. */
export function quiet(ctx, before) {
  return el('div', { class: 'quiet-range' },
    el('p', { class: 'muted' }, before.length ? 'Nobody was paged in this range. Before it:' : 'Nobody was paged, in this range or before.'),
    before.length ? rows(before, ctx, 4) : null,
    el('p', { class: 'quiet-links small' }, el('a', { href: ctx.link({ view: 'changed' }) }, 'What changed'), el('a', { href: ctx.link({ view: 'topology' }) }, 'Topology'),
      el('a', { href: ctx.link({ view: 'series' }) }, 'Series'), el('a', { href: ctx.link({ view: 'health' }) }, 'Health of the pipeline')));
}

/** Incidents as rows that open them, open ones first, each of those with what to look at. */
export function incidents(box, { found, before }, ctx, most = 5) {
  put(box, found.length ? rows(found, ctx, most) : quiet(ctx, before));
}

function rows(found, ctx, most) {
  const order = [...found].sort((a, b) => (a.status === 'resolved') - (b.status === 'resolved') || b.root.start - a.root.start);
  return el('ul', { class: 'rows' }, order.slice(0, most).map((incident) => el('li', {}, el('a', {
    class: 'row incident-row', data: { row: '' }, href: ctx.link({ view: 'incidents', incident: incident.id, job: incident.job }),
  }, chip(incident.status === 'resolved' ? 'healthy' : 'broken', incident.status === 'resolved' ? 'over' : 'open'),
  el('span', { class: 'clip' }, placeOf(incident, 60), el('span', { class: 'muted' }, ` ${format.name(incident.root.text || incident.root.metric, 90)}`)),
  el('span', { class: 'muted small num incident-when' }, incident.suppressed.length ? `${incident.suppressed.length} folded \u00b7 ` : '', ctx.time(incident.root.start)),
  incident.status === 'resolved' ? null : el('span', { class: 'small look' }, lookAt(incident.latest || incident.text))))));
}

/** What a notification says to look at; its text is written by the pager, line by line. */
function lookAt(text) {
  const line = text.split('\n').find((one) => one.startsWith('Look at:'));
  return line ? format.name(line, 240) : '';
}

/** A share of 100 as a thin bar. */
export function meter(value, property) {
  return el('span', { class: 'meter', 'aria-hidden': 'true' }, el('i', { style: { width: `${Math.max(0, Math.min(100, value))}%`, background: `var(${property})` } }));
}

function fact(term, value) {
  return el('div', {}, el('dt', {}, term), el('dd', {}, value));
}
