// A small line without axes.

import { svg } from './dom.js';

/** `values` from oldest to newest, null where unknown, drawn between `low` and `high`. */
export function sparkline(values, { width = 200, height = 36, low = 0, high = 100, colour = '--accent', label = '' } = {}) {
  const x = (i) => (values.length < 2 ? width : (i / (values.length - 1)) * (width - 4) + 2);
  const y = (value) => height - 3 - ((Math.min(high, Math.max(low, value)) - low) / (high - low || 1)) * (height - 6);
  let path = '';
  let isOpen = false;
  values.forEach((value, i) => {
    if (value === null || value === undefined) isOpen = false;
    else {
      path += `${isOpen ? 'L' : 'M'}${x(i).toFixed(1)} ${y(value).toFixed(1)}`;
      isOpen = true;
    }
  });
  const last = values.at(-1);
  return svg('svg', { class: 'sparkline', viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
    svg('path', { d: path, fill: 'none', stroke: `var(${colour})`, 'stroke-width': 1.5, 'vector-effect': 'non-scaling-stroke' }),
    last === null || last === undefined ? null : svg('path', { d: `M${x(values.length - 1).toFixed(1)} ${y(last).toFixed(1)}h0`, stroke: `var(${colour})`, 'stroke-width': 5, 'stroke-linecap': 'round', 'vector-effect': 'non-scaling-stroke' })); // a dot that is round however the picture is stretched
}
