// Places of a job's topology: `base@worker`, or `base` for the job as a whole; pure.

import { name } from './format.js';

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

/** The filter of the page that a place stands for. */
export function filterOf(node) {
  const base = plain(baseOf(node));
  return { entity: base.includes(':') ? base : null, worker: workerOf(node) || null };
}

function plain(text) {
  return text.replaceAll('%40', '@');
}
