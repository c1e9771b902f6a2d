// Zoom and pan of one SVG by its view box: buttons, wheel, drag, arrow keys.

import { el } from './dom.js';

const LEAST = 0.08;
const MOST = 3;
const SMALL = 0.6; // still read: a drawing whose width fits at this scale shows all its columns

/** Shows a drawing of `width` x `height` through an SVG; `fit` shows all of it, `show` one place. */
export class Viewport {
  constructor(svg) {
    this.svg = svg;
    this.scale = 1;
    this.x = this.y = 0;
    this.size = [1, 1];
    this.isTouched = false;
    this.tools = el('div', { class: 'choice zoom', role: 'group', 'aria-label': 'Zoom' },
      button('\u2212', 'Zoom out', () => this.zoom(1 / 1.4)), button('+', 'Zoom in', () => this.zoom(1.4)), button('Fit', 'Fit: show all', () => this.fit()));
    svg.addEventListener('wheel', (event) => this.wheel(event), { passive: false });
    svg.addEventListener('pointerdown', (event) => this.grab(event));
    svg.addEventListener('keydown', (event) => this.key(event));
    this.watch = new ResizeObserver(() => (this.isTouched ? this.apply() : this.home?.()));
    this.watch.observe(svg);
  }

  end() { this.watch.disconnect(); }

  fit() {
    const [width, height] = this.box();
    this.scale = Math.min(1, Math.max(LEAST, Math.min(width / this.size[0], height / this.size[1])));
    this.x = (this.size[0] - width / this.scale) / 2;
    this.y = (this.size[1] - height / this.scale) / 2;
    this.apply();
  }

  /** Bring a point into the middle, at a scale at which it can be read; a drawing that fits is fitted. */
  show(x, y, least = 0.75) {
    const [width, height] = this.box();
    this.fit();
    if (this.scale >= least) return;
    const across = width / this.size[0];
    this.scale = across >= SMALL ? Math.min(least, across) : least;
    this.x = along(x, width / this.scale, this.size[0]);
    this.y = along(y, height / this.scale, this.size[1]);
    this.apply();
  }

  zoom(by, at = null) {
    const [width, height] = this.box();
    const [px, py] = at ?? [width / 2, height / 2];
    const next = clamp(this.scale * by, LEAST, MOST);
    this.x += px / this.scale - px / next;
    this.y += py / this.scale - py / next;
    this.scale = next;
    this.isTouched = true;
    this.apply();
  }

  pan(dx, dy) {
    this.x += dx / this.scale;
    this.y += dy / this.scale;
    this.isTouched = true;
    this.apply();
  }

  apply() {
    const [width, height] = this.box();
    this.svg.setAttribute('viewBox', [this.x, this.y, width / this.scale, height / this.scale].map((n) => n.toFixed(2)).join(' '));
    this.svg.classList.toggle('is-far', this.scale < 0.45);
  }

  box() { return [this.svg.clientWidth || 800, this.svg.clientHeight || 400]; }

  wheel(event) {
    event.preventDefault();
    const { left, top } = this.svg.getBoundingClientRect();
    this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), [event.clientX - left, event.clientY - top]);
  }

  grab(event) {
    if (event.button !== 0 || event.pointerType === 'touch' && !event.isPrimary) return;
    let [x, y] = [event.clientX, event.clientY];
    let hasMoved = false;
    const move = (moved) => {
      if (!hasMoved && Math.hypot(moved.clientX - x, moved.clientY - y) < 4) return;
      hasMoved = true;
      this.svg.classList.add('is-dragged');
      this.pan(x - moved.clientX, y - moved.clientY);
      [x, y] = [moved.clientX, moved.clientY];
    };
    const stop = () => {
      removeEventListener('pointermove', move);
      removeEventListener('pointerup', stop);
      removeEventListener('pointercancel', stop);
      setTimeout(() => this.svg.classList.remove('is-dragged'), 0);
    };
    addEventListener('pointermove', move);
    addEventListener('pointerup', stop);
    addEventListener('pointercancel', stop);
    this.svg.addEventListener('click', (click) => { if (hasMoved) { click.preventDefault(); click.stopPropagation(); } }, { capture: true, once: true });
  }

  key(event) {
    const step = { ArrowLeft: [-60, 0], ArrowRight: [60, 0], ArrowUp: [0, -60], ArrowDown: [0, 60] }[event.key];
    if (step) this.pan(...step);
    else if (event.key === '+' || event.key === '=') this.zoom(1.4);
    else if (event.key === '-') this.zoom(1 / 1.4);
    else if (event.key === '0') this.fit();
    else return;
    event.preventDefault();
  }
}

function button(text, label, click) {
  return el('button', { type: 'button', 'aria-label': label, title: label, on: { click } }, text);
}

/** Where a window of `seen` begins so that `at` is in its middle, inside a drawing of `size`; one that fits is centred. */
function along(at, seen, size) {
  return seen >= size ? (size - seen) / 2 : clamp(at - seen / 2, 0, size - seen);
}

function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}
