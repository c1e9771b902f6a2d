// What changed: the range is dragged on the scores, the series that moved most in it are ranked under them.

import { changedList } from '../changed_list.js';
import { el, panel, put } from '../dom.js';
import * as format from '../format.js';
import { scoreChart } from '../score_chart.js';

const MOST = 40; // rows that are shown; the export has all
const RANKED = 10_000; // milliseconds between two rankings, which read every series
export const title = 'What changed';

/** Mount the view; returns what follows the state. */
export function mount(root, ctx) {
  const scores = panel('Scores');
  const against = el('span');
  const ranked = panel('What changed most', against);
  put(root, el('h1', { class: 'visually-hidden' }, 'What changed'), scores.box, ranked.box);
  const line = scoreChart(scores.body, ctx, { height: 200 });
  let rows = [];
  let drawnAt = 0;
  const draw = () => {
    const { start, end } = ctx.compared;
    put(against, `${ctx.time(start)} \u2013 ${ctx.time(end)} against the ${format.duration(end - start > 120 ? Math.round((end - start) / 60) * 60 : Math.round(end - start))} before`);
    line.update();
    drawnAt = performance.now();
    ctx.load(ranked.body, (signal) => ctx.get('changed', { start, end, limit: 200 }, signal), (found) => {
      rows = found.filter((row) => (!ctx.state.worker || row.worker === ctx.state.worker) && (!ctx.state.entity || row.entity === ctx.state.entity));
      changedList(ranked.body, rows.slice(0, MOST), ctx);
    });
  };
  ctx.exports(() => ({ name: `changed-${ctx.job}`, rows }));
  draw();
  return {
    refreshed: () => { if (ctx.range.isRelative && performance.now() - drawnAt > RANKED) draw(); },
    update: draw,
    back() {
      if (!ctx.state.from) return false;
      ctx.set({ range: null });
      return true;
    },
  };
}
