// The picture of a topology: boxes in layers, curves between them.

import { icon, svg } from './dom.js';
import { layered } from './layout.js';
import { place, shortOf, workerOf, kindOf } from './places.js';

export const BOX = { width: 204, height: 40 };
const GAP = { x: 76, y: 10, edge: 24 };
const ICONS = { root: 'broken', suppressed: 'stale', firing: 'watch', quiet: 'healthy' };

/** {size, at: Map of id to [x, y]} of what is drawn; columns are centred on the tallest. */
export function arrange({ nodes, edges }) {
  const placed = layered(nodes, edges.filter((edge) => !edge.isWeak).map((edge) => [edge.cause, edge.effect]));
  const heights = new Map();
  const layers = [...new Set([...placed.values()].map((one) => one.layer))].sort((a, b) => a - b);
  for (const { layer } of placed.values()) heights.set(layer, (heights.get(layer) ?? 0) + 1);
  const tallest = Math.max(1, ...heights.values());
  const step = BOX.height + GAP.y;
  const at = new Map();
  for (const [id, { layer, order }] of placed) {
    const top = ((tallest - heights.get(layer)) * step) / 2;
    at.set(id, [GAP.edge + layers.indexOf(layer) * (BOX.width + GAP.x), GAP.edge + top + order * step]);
  }
  const width = 2 * GAP.edge + layers.length * BOX.width + Math.max(0, layers.length - 1) * GAP.x;
  return { size: [width, 2 * GAP.edge + tallest * step - GAP.y], at };
}

/** Draw into `root`; `link(node)` is where a click on a node leads, `chosen` the node that is looked at. */
export function draw(root, { nodes, edges }, { at }, { link, chosen }) {
  const quiet = edges.filter((edge) => !edge.isImpact);
  const near = chosen ? quiet.filter((edge) => edge.cause === chosen || edge.effect === chosen) : [];
  const boxes = [...nodes].sort((a, b) => at.get(a.id)[0] - at.get(b.id)[0] || at.get(a.id)[1] - at.get(b.id)[1]);
  root.replaceChildren(
    marker(),
    ...byColumn(quiet.filter((edge) => !edge.isWeak), at).map((some) => svg('path', { class: 'edge', d: some.map((edge) => curve(at, edge)).join('') })),
    svg('path', { class: 'edge is-weak', d: quiet.filter((edge) => edge.isWeak).map((edge) => curve(at, edge)).join('') }),
    svg('path', { class: 'edge is-near', d: near.map((edge) => curve(at, edge)).join('') }),
    ...edges.filter((edge) => edge.isImpact).map((edge) => svg('path', { class: 'edge is-impact', d: curve(at, edge), 'marker-end': 'url(#arrow)' },
      svg('title', {}, `${place(edge.cause)} explains ${place(edge.effect)}`))),
    ...boxes.map((node) => box(node, at.get(node.id), link(node), node.id === chosen)));
}

/** Edges by the column in which they begin: what lies outside the window is then not painted. */
function byColumn(edges, at) {
  const columns = new Map();
  for (const edge of edges) {
    const x = at.get(edge.cause)?.[0];
    if (!columns.has(x)) columns.set(x, []);
    columns.get(x).push(edge);
  }
  return [...columns.values()];
}

function box(node, [x, y], href, isChosen) {
  const isGroup = Boolean(node.members);
  const name = isGroup && node.members.length > 1 ? node.title : whole(node.id);
  const where = isGroup && node.members.length > 1 ? node.where : second(node);
  const said = isGroup && node.members.length > 1 ? `${node.title}, ${node.where}` : `${place(node.id)}, ${node.word}${node.text ? `: ${node.text}` : ''}`;
  return svg('a', { class: `node is-${node.state}${isChosen ? ' is-chosen' : ''}${isGroup ? ' is-group' : ''}`, href, transform: `translate(${x} ${y})`, 'data-row': '', 'data-node': node.id },
    svg('title', {}, said.slice(0, 300)),
    node.state === 'root' ? svg('rect', { class: 'ring', x: -4, y: -4, width: BOX.width + 8, height: BOX.height + 8, rx: 10 }) : null,
    svg('rect', { class: 'box', width: BOX.width, height: BOX.height, rx: 6 }),
    placed(icon(ICONS[node.state])),
    svg('text', { class: 'name', x: 28, y: 17 }, cut(name, 26)), svg('text', { class: 'where', x: 28, y: 32 }, cut(where, 31)));
}

/** A node's name with its worker, without its kind. */
function whole(id) {
  const worker = workerOf(id);
  return worker ? `${shortOf(id, 40)} at ${worker}` : shortOf(id, 40);
}

/** The second line of a node: what it is, and its state in words. */
function second(node) {
  if (node.state === 'suppressed') return node.by ? `folded under ${whole(node.by)}` : node.word;
  const kind = kindOf(node.id) === shortOf(node.id) ? (workerOf(node.id) ? '' : 'whole job') : kindOf(node.id);
  return [kind, node.word].filter(Boolean).join(' \u00b7 ');
}

function placed(drawing) {
  for (const [name, value] of Object.entries({ x: 8, y: 6, width: 14, height: 14 })) drawing.setAttribute(name, value);
  return drawing;
}

function curve(at, { cause, effect }) {
  const [a, b] = [at.get(cause), at.get(effect)];
  if (!a || !b) return '';
  const [x1, y1, x2, y2] = [a[0] + BOX.width, a[1] + BOX.height / 2, b[0], b[1] + BOX.height / 2];
  if (x2 > x1) {
    const bend = Math.max(30, (x2 - x1) / 2);
    return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
  }
  if (a[0] === b[0]) { // within a layer: round its right side
    const out = 18 + Math.min(30, Math.abs(y2 - y1) / 12);
    const side = y2 > y1 ? 10 : -10; // beside the middle, where edges to other layers begin
    return `M${x1} ${y1 + side}C${x1 + out} ${y1 + side} ${x1 + out} ${y2 - side} ${x1 + 2} ${y2 - side}`;
  }
  return `M${a[0]} ${y1}C${a[0] - 60} ${y1 - 30} ${x2 + BOX.width + 60} ${y2 - 30} ${x2 + BOX.width} ${y2}`; // back to an earlier layer
}

function marker() {
  return svg('defs', {}, svg('marker', { id: 'arrow', viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: 'auto-start-reverse' },
    svg('path', { class: 'arrowhead', d: 'M0 0L8 4L0 8z' })));
}

function cut(text, most) {
  const letters = [...text];
  return letters.length > most ? `${letters.slice(0, most - 1).join('')}\u2026` : text;
}
