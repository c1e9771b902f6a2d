// Times by the clock that people act by: the wall's, or in a replay the job's own.

import * as format from './format.js';

/** Now, by the clock of silences and plans. */
export function nowOf(ctx) {
  return ctx.page.now;
}

/** The newest time there is: of the data, or of the clock where it is a wall's. */
export function edgeOf(ctx) {
  return ctx.about.clock === 'wall' ? Math.max(nowOf(ctx), ctx.edge) : ctx.edge;
}

/** A length of time that is never below zero. */
export function duration(seconds) {
  return format.duration(Math.max(0, seconds));
}

/** How long ago, without parts of a second. */
export function ago(seconds) {
  return `${format.duration(Math.max(0, Math.round(seconds)))} ago`;
}

/** How one onset lies to another. */
export function lag(seconds) {
  if (Math.abs(seconds) < 0.5) return 'at the same time';
  return `${format.duration(Math.abs(seconds))} ${seconds > 0 ? 'after' : 'before'} the root`;
}
