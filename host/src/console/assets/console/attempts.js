// Attempts drawn against their schedule: when each was planned, when it began, how long its answer took.

import { el, peer, seen, svg } from './dom.js';
import { nice } from './charts.js';
import { content } from './content.js';
import { bytes, chip, clock, span } from './words.js';

/** Attempts that are late by more than this are told so in colour. */
const LATE_MS = 250;

/** Elements for every attempt, the newest run first: each replay begins a run. */
export function attempts(delivery) {
  const runs = [];
  for (const attempt of delivery.attempts) {
    if (attempt.number === 1 || !runs.length) runs.push([]);
    runs.at(-1).push(attempt);
  }
  const begun = runs.length && runs.at(-1)[0].planned;
  if (!runs.length || delivery.state === 'pending' && delivery.replayed_at && begun < delivery.replayed_at) runs.push([]);
  const drawn = runs.map((run, i) => new Run(run, delivery, i === runs.length - 1).draw());
  return drawn.reverse().flatMap((run, i) => i ? [el('h3', { class: 'faint' }, 'Before the replay'), run] : [run]);
}

const MARKS = { delivered: ['✓', 'c-good'], sent: ['→', 'c-wait'] };
const mark = attempt => MARKS[attempt.class] || ['✕', 'c-bad'];

class Run {
  constructor(made, delivery, newest) {
    const schedule = delivery.schedule || { waits: [], answer_within: 0 };
    const zero = made[0]?.planned ?? delivery.next_at ?? delivery.created_at;
    Object.assign(this, { made, zero, within: schedule.answer_within });
    this.coming = newest && delivery.state === 'pending' && delivery.next_at ? this.plan(delivery.next_at, schedule.waits) : [];
    const times = [...made.flatMap(attempt => [attempt.finished, attempt.planned]), ...this.coming.map(next => next.planned)];
    const length = Math.max(...times, this.zero + 1000) - this.zero;
    this.step = nice(length / 6, [1, 2, 5, 10]);
    this.length = Math.max(length * 1.03, this.step);
    this.ticks = [];
    for (let t = 0; t <= this.length - this.step * .3; t += this.step) this.ticks.push(t);
  }

  /** What is still to come, at the earliest. */
  plan(first, waits) {
    const coming = [];
    for (let n = (this.made.at(-1)?.number || 0) + 1, when = first; n <= waits.length + 1; n++) {
      coming.push({ number: n, planned: when });
      when += waits[n - 1] || 0;
    }
    return coming;
  }

  draw() {
    const axis = svg('svg', { 'aria-hidden': 'true' }, this.ticks.map(t =>
      svg('text', { x: this.x(t), y: 18, 'text-anchor': t ? 'middle' : 'start' }, t ? `+${span(t)}` : '0')));
    const from = this.made.length ? `from ${clock(this.zero, 'millis')}` : '';
    const head = el('li', { class: 'axis', 'aria-hidden': 'true' }, '#', axis, el('span', { class: 'when' }, from));
    return el('ol', { class: 'runs' }, head,
      this.made.map(attempt => this.attempt(attempt)), this.coming.map((next, i) => this.next(next, i)));
  }

  attempt(attempt) {
    const { number, planned, started, finished, status, detail, answer } = attempt, late = started - planned;
    const drawing = svg('svg', { 'aria-hidden': 'true' }, this.rules(),
      this.within ? this.line('may', started, Math.min(started + this.within, this.zero + this.length)) : null,
      late > 0 && this.line('late', planned, started),
      svg('g', { class: mark(attempt)[1] }, this.line('took', started, finished)), this.line('plan', planned, planned, 1, 25));
    const told = el('span', { class: 'when' }, chip(attempt.class, mark(attempt)), status ? ` HTTP ${status}` : '', el('br'),
      el('span', { class: late > LATE_MS ? 'c-warn' : 'faint' }, late > 0 ? `${span(late)} late` : 'on time'),
      el('span', { class: 'faint' }, `, took ${span(finished - started)}`));
    const more = el('div', { class: 'more' }, detail && peer(detail, 'faint'), answer && el('details', null,
      el('summary', null, `Answer, ${bytes(answer.bytes)}${answer.cut ? ', its beginning' : ''}`),
      ...content(answer.text, answer.base64, `Answer to attempt ${number}`)));
    return el('li', null, el('b', { class: 'num' }, String(number)), drawing, told, more);
  }

  next({ number, planned }, place) {
    return el('li', { class: 'faint' }, el('b', { class: 'num' }, String(number)),
      svg('svg', { 'aria-hidden': 'true' }, this.rules(), this.line('plan', planned, planned, 1, 25)),
      el('span', { class: 'when' }, place ? 'if needed' : `planned ${clock(planned, 'millis')}`));
  }

  x(ms) { return `${Math.max(0, Math.min(100, ms / this.length * 100)).toFixed(2)}%` }

  line(cls, from, to, y1 = 13, y2 = 13) {
    return svg('line', { class: cls, x1: this.x(from - this.zero), x2: this.x(to - this.zero), y1, y2 });
  }

  rules() { return this.ticks.map(t => svg('line', { class: 'rule', x1: this.x(t), x2: this.x(t), y1: 0, y2: 26 })) }
}
