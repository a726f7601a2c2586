// The keyboard, the list of its keys, and the colours.

import { $, $$, el, kept, say } from './dom.js';
import { command } from './deliveries.js';
import { back } from './delivery.js';
import { hold, live } from './live.js';
import { clear, meant, pick, picks } from './picks.js';
import { views, where } from './route.js';
import { rove } from './table.js';

const NAMES = ['overview', 'lanes', 'deliveries', 'inbox', 'devices'];

const KEYS = [
  ['1 … 5', 'Overview, lanes, deliveries, inbox, devices'], ['/', 'Search'], ['j k ↓ ↑', 'Next row, row before'],
  ['Enter', 'Open'], ['x Space', 'Pick a delivery'], ['r', 'Replay what is picked, or the row'],
  ['d', 'Drop what is picked, or the row'], ['c', 'Copy the id of the row'], ['[ ]', 'Page before, next page'],
  ['n', 'First page, newest'], ['p', 'Hold, follow'], ['t', 'Colours'], ['← →', 'In a chart: back and on in time'],
  ['Esc', 'Close, clear'], ['?', 'This list'],
];

const single = $('#single'), help = $('#help'), colours = $('#theme');

document.addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey || $('dialog[open]')) return;
  const { key, target } = event, row = target.closest('tr[data-k]');
  const field = target.closest('input:not([type=checkbox]), select, textarea');
  if (key === 'Escape') return escape(field);
  if (field) return;
  const does = (row && inRow(key, row, target)) || (key === '?' && (() => help.showModal())) || (single.checked && alone(key, row));
  if (does) { event.preventDefault(); does() }
});

function escape(field) {
  if (field) field.blur();
  else if (where.at.open) back();
  else if (picks.rows.size) clear();
}

/** What a key does where a row has the focus. */
function inRow(key, row, target) {
  const rows = $$('tr[data-k]', row.parentElement), here = rows.indexOf(row);
  const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity }[key];
  if (step && !target.closest('pre')) return () => rove(rows[Math.max(0, Math.min(rows.length - 1, here + step))]);
  if (target !== row) return null;
  if (key === 'Enter') return () => views[where.view].enter?.(row.dataset.k, row);
  if (key === ' ') return () => where.view === 'deliveries' ? pick(row) : views[where.view].enter?.(row.dataset.k, row);
  return null;
}

/** What a key does by itself. */
function alone(key, row) {
  const rows = $$(`#${where.view} tbody tr[data-k]`), here = rows.indexOf(row);
  if (NAMES[key - 1]) return () => { location.hash = NAMES[key - 1]; $('#main').focus() };
  const press = what => $(`#${where.view} [data-go=${what}]:not([hidden])`)?.click();
  return {
    j: () => rove(rows[here < 0 ? rows.findIndex(one => one.tabIndex === 0) : Math.min(rows.length - 1, here + 1)]),
    k: () => rove(rows[Math.max(0, here - 1)]),
    x: () => { if (row && where.view === 'deliveries') pick(row) },
    c: () => { if (row) navigator.clipboard?.writeText(row.dataset.k).then(() => say('Copied.'), () => {}) },
    '/': () => $(`#${where.view} > form [name]:not(select)`)?.focus(),
    r: () => commanded('replay', row), d: () => commanded('drop', row),
    '[': () => press('back'), ']': () => press('on'), n: () => press('newest'),
    p: () => hold(!live.held), t: nextColours,
  }[key];
}

function commanded(what, row) {
  if (where.view !== 'deliveries') return;
  const found = meant(what, row);
  if (!found || found.length) command(what, row);
  else say(what === 'replay' ? 'Only a dead or dropped delivery can be replayed.' : 'Pick a delivery first.');
}

function nextColours() {
  const all = [...colours.options].map(option => option.value);
  colours.value = all[(all.indexOf(colours.value) + 1) % all.length];
  paint();
  say(`Colours: ${colours.selectedOptions[0].textContent.toLowerCase()}.`);
}

function paint() {
  if (colours.value) document.documentElement.dataset.theme = colours.value; else delete document.documentElement.dataset.theme;
  kept(localStorage, 'pushgate.theme', colours.value || null);
}

colours.value = kept(localStorage, 'pushgate.theme') || '';
colours.addEventListener('change', paint);
paint();
single.checked = kept(localStorage, 'pushgate.keys') !== 'off';
single.addEventListener('change', () => kept(localStorage, 'pushgate.keys', single.checked ? 'on' : 'off'));
$('dl', help).append(...KEYS.flatMap(([keys, what]) =>
  [el('dt', null, keys.split(' ').flatMap(one => one === '…' ? ' … ' : [el('kbd', null, one), ' '])), el('dd', null, what)]));
$('button', help).addEventListener('click', () => help.close());
$('#keys').addEventListener('click', () => help.showModal());
