// What people asked of the pager, read back from the changes on the job's axis; never from what this page has sent.

export const NAMES = ['ack', 'silence', 'unsuppress', 'feedback'];
const SOON = 700; // milliseconds after an action at which the store is asked first
const SURELY = 3000; // asked for so long in any case: what the pager decides comes after what was asked of it
const AT_MOST = 60000;
const VERDICTS = { true_alarm: 'true alarm', false_alarm: 'false alarm', expected: 'expected', new_trend: 'new trend', none: 'comment' };

export const LABELS = Object.entries(VERDICTS).filter(([key]) => key !== 'none');

/** Of the rows of /changes those about an incident: {name, time, word, text, until}, oldest first. */
export function askedOf(changes, incident) {
  const told = new Set([incident.id, ...(incident.trail ?? []).map((one) => one.id)]);
  const alerts = [incident.root, ...incident.suppressed.map((one) => one.alert)];
  const episodes = new Set(alerts.map((one) => one.episode));
  return changes.filter((change) => NAMES.includes(change.name)).map(read).filter((one) => {
    if (one.name === 'silence') return alerts.some((alert) => isMatched(one.text, alert));
    return one.name === 'unsuppress' ? episodes.has(one.about) : told.has(one.about);
  });
}

/** The silences of /changes that hold at `now`, the last word of each id, those that end first at the top. */
export function silencesOf(changes, now) {
  const last = new Map(changes.filter((change) => change.name === 'silence').map(read).map((one) => [one.about, one]));
  return [...last.values()].filter((one) => one.until > now).sort((a, b) => a.until - b.until);
}

/** The silence that holds at `now`, and the label that was given last. */
export function standing(asked, now) {
  const last = new Map(asked.filter((one) => one.name === 'silence').map((one) => [one.about, one]));
  const silence = [...last.values()].findLast((one) => one.until > now) ?? null;
  const label = asked.findLast((one) => one.name === 'feedback' && one.verdict !== 'none') ?? null;
  return { silence, label, isAcknowledged: asked.some((one) => one.name === 'ack') };
}

/** Ask the store, at growing intervals, until what was asked for came back through the log; a busy pipeline is late. */
export function askAgain(ctx, ask, isBack) {
  let timer = null;
  let isOver = false;
  const later = (wait) => {
    timer = setTimeout(async () => {
      await ask();
      if (!isOver && (wait < SURELY || (wait < AT_MOST && !isBack()))) later(2 * wait);
    }, wait);
  };
  later(SOON);
  ctx.atEnd(() => {
    isOver = true;
    clearTimeout(timer);
  });
}

function read(change) {
  const { name, time, text } = change;
  if (name === 'feedback') {
    const [, about, verdict, comment = ''] = /^(\S+): (\w+)(?: \((.*)\))?$/s.exec(text) ?? [null, '', 'none', text];
    return { name, time, about, verdict, word: VERDICTS[verdict] ?? verdict, text: comment };
  }
  const space = /\s|:/.exec(text)?.index ?? text.length;
  const about = text.slice(0, space);
  const rest = text.slice(space).replace(/^[\s:]+/, '');
  if (name !== 'silence') return { name, time, about, word: name === 'ack' ? 'acknowledged' : 'un-suppressed', text: rest };
  const [, until, matched] = /^until (\S+Z): (.*)$/s.exec(rest) ?? [null, '', rest];
  return { name, time, about, word: 'silenced', text: matched, until: Date.parse(until) / 1000 };
}

function isMatched(text, alert) {
  return text.includes('=~') || ['worker', 'entity', 'metric', 'node', 'job'].some((label) => alert[label] && text.includes(`${label}=${alert[label]}`));
}
