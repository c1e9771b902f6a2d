// A job's topology with what is wrong in it, and the part of it that is drawn; pure.

import { baseOf, kindOf, place, shortOf, workerOf } from './places.js';

const FIRM = 0.5; // edges of a lower weight explain only their direct effect
const MOST_GROUPS = 60; // quiet groups that are drawn apart
const RANK = { root: 0, suppressed: 1, firing: 2, quiet: 3 }; // what is folded explains that it fires

/** {nodes: Map of name to node, edges}: what each place is, by the incidents that are shown and the open anomalies. */
export function build(topology, incidents, anomalies) {
  const nodes = new Map();
  const node = (name) => {
    if (!nodes.has(name)) nodes.set(name, { id: name, group: baseOf(name), state: 'quiet', word: 'quiet', by: '', text: '', incident: '' });
    return nodes.get(name);
  };
  topology.nodes.forEach(node);
  for (const edge of topology.edges) [edge.cause, edge.effect].forEach(node);
  for (const anomaly of anomalies) mark(node(anomaly.node), 'firing', 'not paged', anomaly.text || anomaly.metric, '', '');
  const impact = new Set();
  for (const one of incidents) {
    for (const { alert, reason } of one.suppressed) {
      const isHeld = reason.decision === 'silenced';
      mark(node(alert.node), 'suppressed', isHeld ? 'silenced' : `folded under ${place(one.root.node)}`, alert.text, isHeld ? '' : one.root.node, one.id);
      const path = reason.path.length > 1 ? reason.path : [one.root.node, alert.node];
      path.slice(1).forEach((effect, i) => impact.add(key(path[i], effect)));
      path.forEach(node);
    }
    mark(node(one.root.node), 'root', one.status === 'resolved' ? 'was the root' : 'root cause', one.root.text, '', one.id);
  }
  return { nodes, edges: edgesOf(topology, impact) };
}

function mark(node, state, word, text, by, incident) {
  if (RANK[state] < RANK[node.state]) Object.assign(node, { state, word, text, by, incident });
}

function edgesOf(topology, impact) {
  const known = new Set();
  const edges = topology.edges.map(({ cause, effect, weight, delay }) => {
    known.add(key(cause, effect));
    return { cause, effect, delay, isWeak: weight < FIRM, isImpact: impact.has(key(cause, effect)) };
  });
  const others = [...impact].filter((one) => !known.has(one)).map((one) => JSON.parse(one));
  return [...edges, ...others.map(([cause, effect]) => ({ cause, effect, delay: 0, isWeak: false, isImpact: true }))];
}

/** What is drawn: everything (`isAll`), or what alerts, what lies between, and the quiet ones beside it, by kind. */
export function shown({ nodes, edges }, isAll, kept = null) {
  const apart = new Set([...nodes.values()].filter((node) => isAll || node.state !== 'quiet' || node.id === kept).map((node) => node.id));
  for (const edge of edges) if (edge.isImpact) [edge.cause, edge.effect].forEach((end) => apart.add(end));
  if (isAll) return { nodes: [...nodes.values()], edges: unfolded(edges, (id) => id) };
  const near = new Set(apart);
  for (const edge of edges) {
    if (apart.has(edge.effect)) near.add(edge.cause);
    if (apart.has(edge.cause)) near.add(edge.effect);
  }
  const quiet = [...nodes.values()].filter((node) => !apart.has(node.id) && (!apart.size || near.has(node.id)));
  const above = new Set(edges.filter((edge) => apart.has(edge.effect)).map((edge) => edge.cause));
  const groups = grouped(quiet, (id) => (apart.size && !above.has(id) ? 'after' : ''));
  const groupOf = new Map(groups.flatMap((group) => group.members.map((id) => [id, group.id])));
  const at = (id) => (apart.has(id) ? id : groupOf.get(id));
  const told = apart.size ? edges.filter((edge) => apart.has(edge.cause) || apart.has(edge.effect)) : edges; // between the quiet ones nothing is said
  return { nodes: [...[...apart].map((id) => nodes.get(id)), ...groups.map((group) => (group.members.length === 1 ? { ...nodes.get(group.members[0]), id: group.id } : group))], edges: unfolded(told, at) };
}

/** Quiet places by the side of the incident (`sideOf`) and kind; where there are too many kinds, by side alone. */
function grouped(quiet, sideOf) {
  const isMany = new Set(quiet.map((node) => kindOf(node.id))).size > MOST_GROUPS;
  const lists = new Map();
  for (const { id } of quiet) {
    const kind = isMany ? 'places' : kindOf(id);
    const name = `\u0000${sideOf(id)} ${kind}`;
    if (!lists.has(name)) lists.set(name, { kind, members: [] });
    lists.get(name).members.push(id);
  }
  return [...lists].map(([name, { kind, members }]) => ({
    id: members.length === 1 ? members[0] : name, group: members.length === 1 ? baseOf(members[0]) : name, state: 'quiet', word: 'quiet', kind, members,
    title: titleOf(kind, members), where: whereOf(members),
  }));
}

function titleOf(kind, members) {
  const bases = new Set(members.map(baseOf)).size;
  return bases === 1 ? shortOf(members[0], 24) : `${bases} ${plural(kind)}`;
}

function whereOf(members) {
  const workers = new Set(members.map(workerOf).filter(Boolean)).size;
  const at = workers ? `${workers} ${workers === 1 ? 'worker' : 'workers'}` : '';
  return `quiet, ${[members.some((id) => !workerOf(id)) ? 'job' : '', at].filter(Boolean).join(' and ')}`;
}

function plural(kind) {
  return kind.endsWith('s') ? kind : `${kind}s`;
}

/** Edges between what is drawn, each once, the strongest reading of those it stands for. */
function unfolded(edges, at) {
  const found = new Map();
  for (const edge of edges) {
    const [cause, effect] = [at(edge.cause), at(edge.effect)];
    if (cause === undefined || effect === undefined || cause === effect) continue;
    const before = found.get(key(cause, effect));
    found.set(key(cause, effect), { cause, effect, isImpact: edge.isImpact || Boolean(before?.isImpact), isWeak: edge.isWeak && (before?.isWeak ?? true) });
  }
  return [...found.values()];
}

function key(a, b) {
  return JSON.stringify([a, b]);
}
