// What the arrays that a job sends say of an incident, and whether deeper traces were asked for because of it.

import * as api from './api.js';
import { duration } from './clock.js';
import { el, renew } from './dom.js';
import * as format from './format.js';
import { plansOf, tally } from './plans.js';

const AGAIN = 10_000; // milliseconds between two looks: no event tells of arrays
const AUTHOR = 'streamgauge'; // of plans that an incident asked for
const MOST = 8; // findings that are shown

/** Keep `box` filled as long as the incident is open. */
export function incidentArrays(ctx, id, box) {
  let isAboutTraining = null;
  const look = async () => {
    try {
      isAboutTraining ??= (await api.get(`/incidents/${encodeURIComponent(id)}`)).root.domain === 'train';
      if (!isAboutTraining) return;
      const [found, traced] = await Promise.all([ctx.get('diagnoses'), ctx.get('traces')]);
      renew(box, [asked(plansOf(traced), id, ctx), found.length ? [el('h3', {}, 'What the traced arrays say'), el('ul', { class: 'diagnoses' }, found.slice(0, MOST).map(finding))] : null]);
    } catch {
      return; // the rest of the incident says that the server is away
    }
  };
  const timer = setInterval(() => {
    if (!box.isConnected || isAboutTraining === false) clearInterval(timer); // another incident is open
    else if (!document.hidden && !ctx.page.stream.isPaused) look();
  }, AGAIN);
  ctx.atEnd(() => clearInterval(timer));
  look();
}

function asked(plans, id, ctx) {
  const plan = plans.find((one) => one.author === AUTHOR && one.reason?.startsWith(`incident ${id}:`));
  if (!plan) return null;
  return el('p', { class: 'deeper small', data: { revision: plan.revision } }, `Deeper traces asked for ${ctx.time(plan.issued)}, for ${duration(plan.expires)}: ${tally(plan)} `,
    el('a', { href: ctx.link({ view: 'traces' }) }, `plan ${format.name(plan.plan, 40)}`));
}

function finding(one) {
  return el('li', {}, el('b', {}, format.name(one.worker, 60)), ` step ${one.step}: ${format.name(one.text, 400)}`);
}
