// The keyboard: j and k walk the rows of a view, Enter opens, Esc goes back, / searches, t changes the theme, ? helps.

import { el } from './dom.js';

const KEYS = [
  ['j / k', 'next / previous row'],
  ['Enter', 'open it'],
  ['Esc', 'close, or go back'],
  ['/', 'search'],
  ['1 \u2013 9, 0', 'the views, left to right'],
  ['t', 'dark or light'],
  ['u', 'UTC or local time'],
  ['p', 'pause or go on'],
  ['?', 'this help'],
];

/** Hear keys. `does` has: view(index), search(), back(), theme(), zone(), pause(). */
export function hearKeys(does) {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === 'Escape') return escape(does);
    if (event.target.closest('input, textarea, select, [contenteditable], dialog')) return;
    const act = {
      j: () => walk(1), k: () => walk(-1), '/': does.search, t: does.theme, u: does.zone, p: does.pause, '?': help,
    }[event.key] ?? (/^[0-9]$/.test(event.key) ? () => does.view((Number(event.key) + 9) % 10) : null);
    if (act) {
      event.preventDefault();
      act();
    }
  });
}

/** Show or hide the list of keys. */
export function help() {
  const open = document.querySelector('dialog.help');
  if (open) return open.close();
  const close = el('button', { type: 'button', on: { click: () => dialog.close() } }, 'Close');
  const dialog = el('dialog', { class: 'help', 'aria-label': 'Keyboard' }, el('h2', {}, 'Keyboard'),
    el('dl', {}, KEYS.map(([key, text]) => [el('dt', {}, el('kbd', {}, key)), el('dd', {}, text)])), close);
  dialog.addEventListener('close', () => dialog.remove());
  dialog.addEventListener('keydown', (event) => { if (event.key === '?') { event.preventDefault(); dialog.close(); } });
  document.body.append(dialog);
  dialog.showModal();
}

function walk(by) {
  const rows = [...document.querySelectorAll('main [data-row]')].filter((row) => row.getClientRects().length);
  if (!rows.length) return;
  const at = rows.indexOf(document.activeElement?.closest?.('[data-row]'));
  const next = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + by))];
  next.focus();
  next.scrollIntoView({ block: 'nearest' });
}

function escape(does) {
  if (document.querySelector('dialog[open]')) return; // the dialog closes itself
  const active = document.activeElement;
  if (active?.matches?.('input, textarea, select')) return active.blur();
  does.back();
}
