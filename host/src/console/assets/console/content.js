// A body or an answer, as it came and laid out.

import { button, copy, el, seen } from './dom.js';

/** Elements for a text, or for bytes that are none. */
export function content(text, base64, name = 'Content') {
  const shown = words => el('pre', { tabindex: 0, role: 'region', 'aria-label': name }, words);
  if (text === null || text === undefined) return [shown(base64 ? `base64:${seen(base64)}` : '(empty)')];
  if (text === '') return [shown('(empty)')];
  const laid = indent(text), place = shown(seen(laid ?? text, 'lines'));
  const flip = laid === null ? null : button('As sent', () => {
    const raw = flip.getAttribute('aria-pressed') === 'false';
    flip.setAttribute('aria-pressed', raw);
    place.textContent = seen(raw ? text : laid, 'lines');
  }, { class: 'plain', 'aria-pressed': 'false' });
  return [el('div', { class: 'ways' }, flip, copy(text)), place];
}

/** Lays JSON out without reading its values: numbers and escapes stay as they were sent. Null is what is no JSON. */
export function indent(text) {
  try {
    if (typeof JSON.parse(text) !== 'object') return null;
  } catch {
    return null;
  }
  let out = '', deep = 0;
  const line = () => `\n${'  '.repeat(deep)}`;
  for (const part of text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g) || []) {
    if (part === '}' || part === ']') {
      deep--;
      out = /[{[]\s*$/.test(out) ? out.trimEnd() : out + line();
    }
    out += part === ':' ? ': ' : part;
    if (part === '{' || part === '[') deep++;
    if (part === '{' || part === '[' || part === ',') out += line();
  }
  return out;
}
