// Places of a job's topology: `base@worker`, or `base` for the job as a whole; pure.

import { name } from './format.js';

const NAMED = 3; // features that a title names; the rest is counted

/** The place without its worker. */
export function baseOf(node) {
  const at = node.indexOf('@');
  return at < 0 ? node : node.slice(0, at);
}

/** Its worker, "" for the job as a whole. */
export function workerOf(node) {
  const at = node.indexOf('@');
  return at < 0 ? '' : node.slice(at + 1);
}

/** What kind of place it is: "feature", "source", "labels", ... */
export function kindOf(node) {
  return baseOf(node).split(':', 1)[0];
}

/** A place without its kind: "tailnum". */
export function shortOf(node, most = 60) {
  const base = baseOf(node);
  return name(plain(base.slice(base.indexOf(':') + 1)), most);
}

/** A place in words: "feature tailnum at LGA". */
export function place(node, most = 80) {
  const worker = workerOf(node);
  return name(plain(baseOf(node)).replace(':', ' ') + (worker ? ` at ${worker}` : ''), most);
}

/** The place of an incident's root; with the features that state the same fact with it, "3 features (age, city, item)". */
export function placeOf({ root, suppressed }, most = 80) {
  const isFeature = (node) => kindOf(node) === 'feature' && !workerOf(node);
  const alike = isFeature(root.node) ? suppressed.filter(({ alert, reason }) => reason.decision === 'grouped' && alert.metric === root.metric && isFeature(alert.node)) : [];
  if (!alike.length) return place(root.node, most);
  const names = [root.node, ...alike.map(({ alert }) => alert.node)].map((node) => shortOf(node, 24));
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : '';
  return name(`${names.length} features (${names.slice(0, NAMED).join(', ')}${more})`, most);
}

/** The filter of the page that a place stands for. */
export function filterOf(node) {
  const base = plain(baseOf(node));
  return { entity: base.includes(':') ? base : null, worker: workerOf(node) || null };
}

function plain(text) {
  return text.replaceAll('%40', '@');
}
