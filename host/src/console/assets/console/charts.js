// Throughput, outcomes and lateness as charts: lines and bars told apart by their pattern too, each read by its legend.

import { $, $$, el, svg } from './dom.js';
import { get } from './api.js';
import { where } from './route.js';
import { brief, clock, span } from './words.js';

const lateness = ms => ms === null || ms < 1000 ? brief(ms, ' ms') : span(ms);

// Of a line or bar: the series' member, its word, its colour, its pattern.
const CHARTS = [
  { title: 'Throughput', per: 'per second', unit: '/s', filled: true, lines: [
    ['accepted', 'accepted', 'c-wait'], ['sends', 'sends', 'c-warn', '5 3']] },
  { title: 'Outcomes', per: 'per second', unit: '/s', bars: [
    ['delivered', 'delivered', 'c-good'], ['failed', 'failed sends', 'c-faint', 'url(#dots)'],
    ['dropped', 'dropped', 'c-warn', 'url(#cross)'], ['dead', 'dead', 'c-bad', 'url(#hatch)']] },
  { title: 'Lateness of sends', per: 'milliseconds', word: lateness, lines: [
    ['late_p50', 'half within', 'c-good'], ['late_p99', '99 % within', 'c-wait', '5 3'],
    ['late_max', 'latest', 'c-bad', '1.5 2.5']] },
];

const HEIGHT = 170, LEFT = 44, RIGHT = 6, TOP = 8, BOTTOM = HEIGHT - 20;
/** Bars thinner than this many of them on a chart show nothing. */
const BARS = 75;

let series = null, range = '5m', charts = [];

/** Reads the whole span; from there on the ticks add to it. */
export async function load(current = () => true) {
  const asked = range, read = await get('/api/series', { span: asked });
  if (asked !== range || !current()) return;
  series = { ...read, span: asked };
  draw();
}

/** Adds the second that has ended, or says that the span has to be read again. */
export function onSecond(tick) {
  if (!series) return 'stale';
  if (series.span !== '5m') return tick.time - series.end > series.step * 1.2 ? 'stale' : 'fresh';
  const { point } = tick, gap = Math.round((point.time - series.end) / series.step);
  if (gap > 1) return 'stale'; // ticks were missed
  if (gap === 1) {
    for (const [key, list] of Object.entries(series.points)) {
      list.push(point[key] ?? null);
      list.splice(0, list.length - series.length);
    }
    series.end = point.time;
    draw();
  }
  return 'fresh';
}

/** Builds the charts, empty. */
export function build() {
  series = null;
  charts = CHARTS.map(chart => new Chart(chart));
  $('#charts').replaceChildren(...charts.map(chart => chart.figure), patterns());
}

export function draw() {
  if (series && where.view === 'overview') for (const chart of charts) chart.draw();
}

class Chart {
  constructor(of) {
    Object.assign(this, of, { keys: of.lines || of.bars, at: null });
    this.word = of.word || (n => brief(n, this.unit));
    this.drawing = svg('svg', { 'aria-hidden': 'true' });
    this.when = el('small');
    this.values = this.keys.map(() => el('b'));
    const legend = this.keys.map(([, label, cls, dash], i) => el('li', null, swatch(cls, dash, this.bars), `${label} `, this.values[i]));
    this.figure = el('figure', {
      tabindex: 0, role: 'group',
      onpointermove: event => series && this.read(this.place(event.clientX)),
      onpointerleave: () => this.read(null),
      onblur: () => this.read(null),
      onkeydown: event => this.key(event),
    });
    const caption = el('figcaption', null, this.title, el('span', { class: 'faint' }, `, ${this.per}`), this.when);
    this.figure.append(caption, this.drawing, el('ul', { class: 'legend' }, legend));
  }

  /** Which point of the series is at a place of the screen. */
  place(x) {
    const box = this.drawing.getBoundingClientRect(), part = (x - box.left - LEFT) / (box.width - LEFT - RIGHT);
    return Math.max(0, Math.min(series.length - 1, Math.round(part * (series.length - 1))));
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !series) return;
    event.preventDefault();
    const last = series.length - 1;
    this.read(Math.max(0, Math.min(last, (this.at ?? last) + step * (event.shiftKey ? 10 : 1))));
  }

  read(at) {
    this.at = at;
    if (series) this.draw();
  }

  draw() {
    const width = this.drawing.clientWidth;
    if (!width) return;
    const n = series.length, right = width - RIGHT;
    const all = this.keys.map(([key]) => series.points[key] || []);
    const wide = this.bars ? Math.ceil(n / BARS) : 1;
    const data = wide === 1 ? all : all.map(list => means(list, wide));
    let max = 0;
    for (let i = 0; i < n; i++) {
      const values = data.map(list => list[i] || 0);
      max = Math.max(max, this.bars ? values.reduce((sum, value) => sum + value, 0) : Math.max(...values));
    }
    const top = nice(max || 1);
    const x = i => LEFT + i / (n - 1) * (right - LEFT), y = value => BOTTOM - value / top * (BOTTOM - TOP);
    const scale = { n, right, wide, x, y };
    const parts = [...this.axes(scale, top, width), ...(this.bars ? this.stack(data, scale) : this.curves(data, scale, max))];
    if (this.at !== null) {
      const place = this.bars ? LEFT + (this.at + .5) * (right - LEFT) / n : x(this.at);
      parts.push(svg('path', { class: 'cross', d: `M${place} ${TOP}V${BOTTOM}` }));
    }
    if (!max) {
      const middle = { x: (LEFT + right) / 2, y: (TOP + BOTTOM) / 2 - 6, 'text-anchor': 'middle' };
      parts.push(svg('text', middle, 'nothing in this span'));
    }
    this.drawing.replaceChildren(...parts);
    this.tell(all);
  }

  axes({ n, right, x, y }, top, width) {
    const parts = [];
    for (const part of [0, .5, 1]) {
      parts.push(svg('path', { class: 'rule', d: `M${LEFT} ${y(part * top)}H${right}` }),
        svg('text', { x: LEFT - 6, y: y(part * top) + 4, 'text-anchor': 'end' }, brief(part * top)));
    }
    for (const part of width < 420 ? [0, .5, 1] : [0, .25, .5, .75, 1]) {
      const ms = series.end - (n - 1) * series.step * (1 - part);
      const anchor = part === 0 ? 'start' : part === 1 ? 'end' : 'middle';
      const told = clock(ms, series.step < 60_000 ? 'seconds' : 'minutes');
      parts.push(svg('text', { x: LEFT + part * (right - LEFT), y: HEIGHT - 4, 'text-anchor': anchor }, told));
    }
    return parts;
  }

  stack(data, { n, right, wide, y }) {
    const base = new Float64Array(n), step = (right - LEFT) / n, thick = Math.max(step * wide - 1, .6).toFixed(1);
    return this.keys.flatMap(([, , cls, dash], k) => {
      let d = '';
      for (let i = 0; i < n; i++) {
        const value = data[k][i] || 0;
        const from = y(base[i]).toFixed(1), to = y(base[i] + value).toFixed(1);
        if (value) d += `M${(LEFT + i * step).toFixed(1)} ${to}h${thick}V${from}h-${thick}z`;
        base[i] += value;
      }
      const bars = [svg('path', { class: `area ${cls}`, d, opacity: dash ? .55 : 1 })];
      return dash ? [...bars, svg('path', { d, fill: dash })] : bars;
    });
  }

  curves(data, { n, x, y }, max) {
    return this.keys.flatMap(([, , cls, dash], k) => {
      let d = '', pieces = '', from = null;
      for (let i = 0; i <= n; i++) {
        const value = i < n ? data[k][i] ?? null : null, at = `${x(i).toFixed(1)} ${y(value ?? 0).toFixed(1)}`;
        if (value === null) {
          if (from !== null) pieces += `V${BOTTOM}H${x(from).toFixed(1)}z`;
          from = null;
        } else if (from === null) {
          from = i;
          d += `M${at}h.1`; // a point alone is seen too
          pieces += `M${at}`;
        } else {
          d += `L${at}`;
          pieces += `L${at}`;
        }
      }
      const line = svg('path', { class: `ln ${cls}`, d, 'stroke-dasharray': dash });
      return this.filled && k === 0 && max ? [svg('path', { class: `area ${cls}`, opacity: .14, d: pieces }), line] : [line];
    });
  }

  /** Writes the values of the point that is read, or the newest. */
  tell(all) {
    const i = this.at ?? series.length - 1, words = all.map(list => this.word(list[i] ?? null));
    this.when.textContent = clock(series.end - (series.length - 1 - i) * series.step);
    this.values.forEach((value, k) => { value.textContent = words[k] });
    const told = this.keys.map(([, label], k) => `${label} ${words[k]}`).join(', ');
    this.figure.setAttribute('aria-label', `${this.title} at ${this.when.textContent} UTC: ${told}`);
  }
}

/** The means of `wide` values each, in the place of the first. */
const means = (list, wide) => list.map((_, i) => {
  if (i % wide) return null;
  const part = list.slice(i, i + wide).filter(value => value !== null);
  return part.length ? part.reduce((sum, value) => sum + value, 0) / part.length : null;
});

/** The next number above that people like on an axis. */
export function nice(max, steps = [1, 1.5, 2, 3, 4, 5, 6, 8, 10]) {
  const power = 10 ** Math.floor(Math.log10(max || 1));
  return steps.map(step => step * power).find(step => step >= max) || 1;
}

const swatch = (cls, dash, bar) => svg('svg', { class: cls, 'aria-hidden': 'true' }, bar
  ? [svg('rect', { width: 22, height: 10, class: 'area', opacity: dash ? .35 : 1 }), dash && svg('rect', { width: 22, height: 10, fill: dash })]
  : svg('path', { d: 'M0 5h22', class: `ln ${cls}`, 'stroke-dasharray': dash }));

function patterns() {
  const lines = (id, d) => svg('pattern', { id, width: 4, height: 4, patternUnits: 'userSpaceOnUse' },
    svg('path', { d, stroke: 'var(--ink)', 'stroke-width': .9, fill: 'none' }));
  return svg('svg', { width: 0, height: 0, 'aria-hidden': 'true' },
    svg('defs', null, lines('hatch', 'M0 4 4 0'), lines('cross', 'M0 0 4 4M0 4 4 0'), lines('dots', 'M1 1h1')));
}

/** Listens to the choice of a span; `failed` is told when it cannot be read. */
export function spans(failed) {
  $('#spans').addEventListener('click', event => {
    const chosen = event.target.dataset.span;
    if (!chosen) return;
    range = chosen;
    for (const one of $$('#spans button')) one.setAttribute('aria-pressed', one === event.target);
    load().catch(failed);
  });
  new ResizeObserver(draw).observe($('#charts'));
}
