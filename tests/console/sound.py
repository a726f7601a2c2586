"""What holds for every view: nothing of a peer became markup, and everybody can read and use what is there."""

# Colours are painted and read back, so that every notation of CSS is understood.
CONTRAST = r'''
const light = rgb => {
  const [r, g, b] = rgb.map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b;
};
const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
const rgba = colour => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const ground = element => {
  for (; element; element = element.parentElement) {
    const colour = rgba(getComputedStyle(element).backgroundColor);
    if (colour[3] > 250) return colour.slice(0, 3);
  }
  return [255, 255, 255];
};
const weak = new Set();
for (const element of document.querySelectorAll('body *')) {
  if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
  if (element.closest(':disabled') || element.tagName === 'OPTION') continue;
  if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
  const style = getComputedStyle(element), svg = element.namespaceURI.includes('svg');
  const [dark, bright] = [light(rgba(svg ? style.fill : style.color).slice(0, 3)), light(ground(element))].sort((a, b) => a - b);
  const ratio = (bright + .05) / (dark + .05);
  if (ratio < 4.5) weak.add(`${element.tagName}.${element.getAttribute('class') || ''} ${ratio.toFixed(2)} ${element.textContent.slice(0, 20)}`);
}
return [...weak].slice(0, 8)'''

NAMELESS = r'''
const bad = [];
for (const element of document.querySelectorAll('a, button, input, select, figure[tabindex], pre[tabindex]')) {
  if (!element.checkVisibility()) continue;
  const name = element.getAttribute('aria-label') || element.textContent.trim() || element.labels?.[0]?.textContent.trim() || element.title;
  if (!name) bad.push(element.outerHTML.slice(0, 80));
}
const ids = [...document.querySelectorAll('[id]')].map(element => element.id);
for (const id of new Set(ids)) if (ids.filter(other => other === id).length > 1) bad.push(`twice: ${id}`);
return bad'''

FOREIGN = r'''
const own = 'main script, img:not([src="console.svg"]), iframe, object, embed, base, [srcdoc], [style], a[href^="javascript" i]';
const handlers = [...document.querySelectorAll('*')].filter(element => [...element.attributes].some(({ name }) => /^on/i.test(name)));
return [...document.querySelectorAll(own), ...handlers].map(element => element.outerHTML.slice(0, 80))'''

WIDER = 'return document.documentElement.scrollWidth - document.documentElement.clientWidth'


def faults(browser, expected=None):
    """Everything that is wrong with what the browser shows; `expected` is in the messages of its console that are right."""
    found = []
    if browser.js('return "pwned" in window'):
        found.append('a script of a peer has run')
    for what, script in [('an element of a peer', FOREIGN), ('contrast under 4.5', CONTRAST), ('without a name', NAMELESS)]:
        found += [f'{what}: {one}' for one in browser.js(script)]
    if (wider := browser.js(WIDER)) > 0:
        found.append(f'{wider} px wider than the window')
    return found + [f'console: {message}' for message in browser.log() if not expected or expected not in message]
