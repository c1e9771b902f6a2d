// What the workers say of each plan: pending, applying, applied, rejected, expired, not targeted; never what was sent; pure.

import { bytes } from './format.js';

const LOOKS = {
  pending: ['warming', 'pending'], applying: ['warming', 'applying'], applied: ['healthy', 'applied'], rejected: ['broken', 'rejected'], expired: ['unknown', 'expired'],
  superseded: ['unknown', 'superseded'], 'not-targeted': ['unknown', 'not targeted'], tripped: ['broken', 'tripped'], suspect: ['broken', 'suspect'], unreadable: ['broken', 'unreadable report'],
};

/** The icon's state and the word of what a worker says. */
export function look(state) {
  return LOOKS[state] ?? ['unknown', state];
}

/** Plans with what each worker reports of their present revision: [{...plan, workers: [{worker, state, reason, matched, bytes_s, until, standing}]}]. */
export function plansOf(traced) {
  const workers = [...new Set([...traced.status, ...traced.catalogue].map((one) => one.worker))].sort();
  const status = new Map(traced.status.map((one) => [one.worker, one]));
  const known = new Map(traced.plans.filter((one) => one.plan).map((one) => [one.plan, one]));
  for (const one of traced.status) for (const said of one.plans ?? []) if (!known.has(said.plan)) known.set(said.plan, { plan: said.plan, revision: said.revision, select: [], isGone: true });
  return [...known.values()].sort((a, b) => (b.issued ?? 0) - (a.issued ?? 0)).map((plan) => ({ ...plan, workers: workers.map((worker) => said(plan, worker, status.get(worker))) }));
}

function said(plan, worker, status) {
  if (status?.fault === 'unreadable') return { worker, state: 'unreadable', reason: 'its report cannot be read' };
  const reports = (status?.plans ?? []).filter((one) => one.plan === plan.plan);
  const now = reports.find((one) => one.revision === plan.revision);
  const before = reports.find((one) => one.revision !== plan.revision && one.state !== 'superseded');
  if (now) return { worker, reason: '', ...now, standing: reports.find((one) => one.revision < plan.revision && ['applied', 'superseded'].includes(one.state) && now.state === 'rejected')?.revision };
  return { worker, state: 'pending', reason: before ? `still ${before.state} revision ${before.revision}` : 'nothing reported yet' };
}

/** "2 of 3 applied", of those that the plan is for. */
export function tally(plan) {
  const targeted = plan.workers.filter((one) => one.state !== 'not-targeted');
  const applied = targeted.filter((one) => one.state === 'applied').length;
  return `${applied} of ${targeted.length} applied`;
}

/** Something a second, in the unit of time in which it can be read: `words(n)` writes the number with its unit. */
export function pace(value, words) {
  if (value >= 1 || !(value > 0)) return `${words(Math.max(0, value))}/s`;
  return value >= 1 / 60 ? `${words(value * 60)}/min` : `${words(value * 3600)}/h`;
}

/** Bytes a second, in words. */
export function bytesPace(value) {
  return pace(value, (n) => bytes(Math.round(n)));
}

/** One select in words. */
export function phrase(select) {
  const parts = [select.collection];
  if (select.include) parts.push(`matching ${select.include}`);
  if (select.exclude) parts.push(`except ${select.exclude}`);
  if (select.names?.length) parts.push(`${select.include ? 'and ' : ''}${select.names.length === 1 ? select.names[0] : `${select.names.length} by name`}`);
  const what = { raw: 'raw arrays', histogram: 'histograms', units: 'statistics by unit' }[select.emit] ?? 'statistics';
  if (select.when) return `${parts.join(' ')}, ${what} of a batch whose loss is not finite`;
  const window = select.first || select.last ? `, steps ${select.first ?? 0} to ${select.last || 'the end'}` : '';
  return `${parts.join(' ')}, ${what} every ${select.every ?? 10} ${(select.every ?? 10) === 1 ? 'step' : 'steps'}${window}`;
}
