// The pictures of one entity: what it was made of in the range against the range before, and the curves of its labels.

import { bars, frequent, square } from './curve.js';
import { el, put } from './dom.js';
import * as format from './format.js';

const NAMES = { profile: 'Distribution of the values', queue_delay: 'Delay in the queue, seconds', train_delay: 'Delay until trained, seconds', label_delay: 'Delay of the labels, seconds', step_time: 'Time of a step, seconds', label_number: 'Labels that arrived', prediction_number: 'Predictions of all rows' };

/** Draw what /pictures found into `box`; false if there is nothing. */
export function pictures(box, found, ctx) {
  const drawn = [
    found.counts && counts(found.counts),
    ...(found.distributions ?? []).map((one) => titled(NAMES[one.name] ?? format.name(one.name, 60), bars(one, { label: 'distribution now and before' }))),
    found.frequent && titled('Most frequent values', frequent(found.frequent)),
    found.predictions && titled('Predictions of all rows', bars(found.predictions, { label: 'predictions now and before' })),
    found.labels && titled('Predictions by label', bars({ edges: found.labels.edges, now: found.labels.negative, before: found.labels.positive }, { label: 'predictions of negatives and positives', names: ['negatives', 'positives'], colours: ['--sample', '--train'] })),
  ].filter(Boolean);
  put(box, drawn.length ? el('div', { class: 'pictures' }, drawn) : el('p', { class: 'muted' }, 'No distribution of this entity was kept for this range.'));
  if (found.labels?.roc[0].length) box.append(curves(found.labels));
  if (found.now) box.append(el('p', { class: 'muted small spans' }, `${ctx.time(found.now.start)} \u2013 ${ctx.time(found.now.end)} (${found.now.windows} windows)`,
    found.before ? ` against ${ctx.time(found.before.start)} \u2013 ${ctx.time(found.before.end)}` : ', nothing before it to compare with'));
  return drawn.length > 0;
}

function curves(labels) {
  const was = labels.before;
  const before = (name) => (was?.[name][0].length ? was[name] : null);
  const highest = Math.max(...labels.calibration[0], ...labels.calibration_bounds[1], 1e-6);
  const max = Math.min(1, 2 ** Math.ceil(Math.log2(highest)));
  return el('div', { class: 'squares' },
    square(labels.roc, { label: `ROC, AUC ${labels.auc.toFixed(4)}${labels.auc_error === null ? '' : ` \u00b1 ${labels.auc_error.toFixed(4)}`}`, across: 'false positive rate', up: 'true positive rate', diagonal: true, before: before('roc') }),
    square(labels.precision_recall, { label: `Precision and recall, AP ${labels.average_precision.toFixed(4)}`, across: 'recall', up: 'precision', before: before('precision_recall') }),
    square(labels.calibration, { label: 'Reliability', across: 'predicted', up: 'observed, 95 % intervals,', max, diagonal: true, dots: true, before: before('calibration'), bounds: labels.calibration_bounds }),
    el('p', { class: 'muted small' }, `${format.count(labels.rows)} labelled rows, ${format.count(labels.positives)} positive${was ? `; dashed: ${format.count(was.rows)} before, AUC ${was.auc === null ? 'unknown' : was.auc.toFixed(4)}` : ''}`));
}

function counts({ now, before }) {
  const share = (of, name) => (of && of.rows ? `${((100 * of[name]) / of.rows).toFixed(2)} %` : '\u2013');
  return titled('Rows', el('table', { class: 'counts-table' },
    el('thead', {}, el('tr', {}, el('th', {}, 'Share'), el('th', { class: 'num' }, 'Now'), el('th', { class: 'num' }, 'Before'))),
    el('tbody', {}, el('tr', {}, el('td', {}, 'rows'), el('td', { class: 'num' }, format.count(now.rows)), el('td', { class: 'num muted' }, before ? format.count(before.rows) : '\u2013')),
      ['missing', 'invalid', 'default', 'zero'].map((name) => el('tr', {}, el('td', {}, name), el('td', { class: 'num' }, share(now, name)), el('td', { class: 'num muted' }, share(before, name)))))));
}

function titled(title, picture) {
  return el('div', {}, el('h3', {}, title), picture);
}
