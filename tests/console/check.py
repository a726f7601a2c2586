#!/usr/bin/env python3
"""Tries the console of a real gateway in a real browser, and keeps screenshots of every view.

    check.py GATEWAY FOLDER [PART…]

GATEWAY is the built program, FOLDER gets the screenshots and logs, and PART names what to try of: plain, views, acts, keys, phone,
token, away. Without one, all of them. The exit code is 1 when anything was not as it should be, which is told line by line.
"""

import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from browser import DOWN, ENTER, ESCAPE, LEFT, TAB, Browser
from gateway import HOSTILE, ONLINE, Gateway, Peers
from sound import faults

VIEWS = ['overview', 'lanes', 'deliveries', 'inbox', 'devices']
LIVE = "document.querySelector('#live').dataset.on === 'live'"


def rows(view):
    return f"document.querySelectorAll('#{view} tbody tr[data-k]').length"


def every(css, holds):
    """What JavaScript says of every element."""
    return f"[...document.querySelectorAll('{css}')].every(one => {holds})"


def states(word):
    return every('#deliveries tbody .st', f"one.textContent.endsWith('{word}')")


def says(css, word):
    return f"document.querySelector('{css}').textContent.includes('{word}')"


def is_open(css):
    return f"document.querySelector('{css}').open"


class Check:
    """What was tried and how it went."""

    def __init__(self, browser, gateway, shots):
        self.browser, self.gateway, self.shots = browser, gateway, shots
        self.passed, self.failed = 0, []

    def ok(self, what, good, note=''):
        if good:
            self.passed += 1
            print(f'ok      {what}', flush=True)
        else:
            self.failed.append(what)
            print(f'FAILED  {what}   {note}', flush=True)

    def happens(self, what, expression, bound=20):
        """Something shows in the page, in time."""
        try:
            self.ok(what, self.browser.until(expression, bound))
        except AssertionError as late:
            self.ok(what, False, late)

    def sound(self, where, expected=None):
        found = faults(self.browser, expected)
        self.ok(f'{where}: is harmless, readable, named, and fits', not found, found)

    def shot(self, name, whole=False):
        self.browser.screenshot(self.shots / f'{name}.png', whole)

    # ---- the parts

    def plain(self):
        """Without scripts the page says how things stand, and nothing in it is a peer's markup."""
        browser = self.browser
        browser.devtools('Emulation.setScriptExecutionDisabled', value=True)
        browser.open(self.gateway.url)
        self.shot('light-without-scripts', whole=True)
        page = self.gateway.get('/', 'text')
        self.ok('the page alone shows lanes and dead letters', 'uplink:refuses' in page and 'window.pwned=1' in page and '&lt;' in page)
        self.ok('and nothing of a peer as markup', not any(text in page for text in HOSTILE))
        browser.devtools('Emulation.setScriptExecutionDisabled', value=False)

    def views(self):
        browser = self.browser
        browser.prefer('light')
        browser.open(self.gateway.url)
        self.happens('the page is live', LIVE)
        for colours in ('light', 'dark'):
            browser.prefer(colours)
            for view in VIEWS:
                self.view(view, f'{colours}-{view}')
            self.delivery('uplink:refuses', 4, f'{colours}-delivery')
        browser.prefer('light')
        self.delivery('uplink:broken', 4, 'light-delivery-broken')
        self.literally()
        self.charts()

    def view(self, view, name, whole=False):
        self.browser.view(view)
        self.happens(f'{name}: has rows', rows(view) + ' > 0')
        if view == 'overview':
            self.happens(f'{name}: has charts', "document.querySelectorAll('#charts path').length > 9")
        self.sound(name)
        self.shot(name, whole)

    def delivery(self, lane, attempts, name):
        """The newest dead delivery of a lane, with its attempts drawn."""
        browser = self.browser
        browser.view(f'deliveries?state=dead&lane={lane}')
        browser.until(rows('deliveries') + ' && ' + every('#deliveries tbody td:nth-child(4)', f"one.textContent === '{lane}'"))
        browser.js("document.querySelector('#deliveries tbody tr').click()")
        self.happens(f'{name}: each attempt is drawn', f"document.querySelectorAll('#detail .runs .took').length === {attempts}")
        self.ok(f'{name}: with its plan', browser.js("return document.querySelectorAll('#detail .runs .plan').length") == attempts)
        browser.js("document.querySelector('#detail details')?.setAttribute('open', '')")
        self.sound(name)
        self.shot(name)

    def literally(self):
        """What a peer wrote is read as it was written."""
        browser = self.browser
        told = browser.text('#detail')
        self.ok('an answer is shown as text', HOSTILE[0] in told and HOSTILE[3] in told, told[-400:])
        self.ok('its controls are spelled out', '\\u{1b}[2J' in told and '\x1b' not in told)
        browser.view('deliveries?lane=uplink:acme')
        browser.until(f"{rows('deliveries')} === {len(HOSTILE)}")
        browser.js("[...document.querySelectorAll('#deliveries tbody tr')].at(-1).click()")
        self.happens('a body is shown as text', "document.querySelector('#detail pre')?.textContent.includes('<img src=x')")
        browser.view(f'deliveries?lane=device:{ONLINE}')
        browser.until(f"{rows('deliveries')} === 2")
        browser.js("document.querySelector('#deliveries tbody tr').click()")
        self.happens('bytes are shown as base64', "document.querySelector('#detail')?.textContent.includes('base64:/wAbWzJK')")
        browser.view('inbox')
        self.happens('every item is in the inbox', f"{rows('inbox')} === {3 * len(HOSTILE)}")
        told = browser.text('#inbox tbody')
        self.ok('an item is shown as text', all(text.replace('"', '\\"') in told for text in HOSTILE[:8]))
        self.ok('what turns the text around it is spelled out', '\\u{202e}' in told and '\u202e' not in told)
        self.ok('a number that is longer than a double stays', '9007199254740993' in told)
        browser.js("document.querySelector('#inbox tbody tr').click()")
        self.happens('an item is laid out', "document.querySelector('#inbox [aria-expanded=true] pre')?.textContent.includes('\\n  \"')")
        self.sound('an item')
        self.shot('light-inbox-item')

    def charts(self):
        browser = self.browser
        browser.view('overview')
        browser.until("document.querySelectorAll('#charts path').length > 9")
        for span in ('1h', '24h', '5m'):
            browser.click(f'[data-span="{span}"]')
            self.happens(f'a chart of {span}', f"document.querySelector('[data-span=\"{span}\"]').getAttribute('aria-pressed') === 'true'")
        browser.js("document.querySelector('#charts figure').focus()")
        browser.press(LEFT, LEFT)
        self.happens('a chart is read by keys', "document.querySelector('#charts .cross')")
        self.ok('and says what it reads', 'accepted' in browser.js("return document.querySelector('#charts figure').getAttribute('aria-label')"))

    def acts(self):
        """Filters, live rows, replay and drop of one and of many, pause."""
        browser, gateway = self.browser, self.gateway
        browser.open(gateway.url + '#deliveries')
        self.happens('a link leads to a view', LIVE + ' && ' + rows('deliveries') + ' > 5')
        browser.leave_field()
        accepted = gateway.submit('acme', HOSTILE[0])
        self.happens('a delivery accepted elsewhere appears by itself', f"document.querySelector('#deliveries tbody tr').dataset.k === '{accepted}'")
        self.happens('and is seen to arrive', "document.querySelector('#deliveries tbody tr .st').textContent.endsWith('delivered')")

        browser.choose('#deliveries [name=state]', 'dead')
        self.happens('a state is searched for', f"location.hash.includes('state=dead') && {rows('deliveries')} >= 7 && {states('dead')}")
        browser.press('/')
        browser.type('#deliveries [name=lane]', 'uplink:refuses')
        self.happens('and a lane', f"location.hash.includes('refuses') && {rows('deliveries')} === 2")
        self.shot('light-deliveries-found')
        since, until = (time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(time.time() + off)) for off in (-7200, -3600))
        browser.choose('#deliveries [name=since]', since)
        browser.choose('#deliveries [name=until]', until)
        self.happens('and a time', f"location.hash.includes('until') && {rows('deliveries')} === 0")
        browser.click('#deliveries [type=reset]')
        browser.until(f"location.hash === '#deliveries' && {rows('deliveries')} > 5")
        browser.type('#deliveries [name=id]', accepted[:20])
        self.happens('and the beginning of an id', "location.hash.includes('id=') && " + rows('deliveries') + ' > 0 && '
                     + every('#deliveries tbody tr', f"one.dataset.k.startsWith('{accepted[:20]}')"))
        browser.choose('#deliveries [name=id]', accepted)
        self.happens('a whole id opens its delivery', f"document.querySelector('#detail')?.textContent.includes('{accepted}')")
        browser.view('deliveries/' + '0' * 32)
        self.happens('an id of nothing says so', says('#detail', 'No delivery has this id'))
        browser.log()  # the 404
        browser.leave_field()

        self.gateway_forgives()
        browser.view('deliveries?state=dead&lane=uplink:refuses')
        browser.until(f"location.hash.includes('refuses') && {rows('deliveries')} === 2 && {states('dead')}")
        browser.press('j', ENTER)
        browser.until("document.querySelector('#detail .runs .took')")
        browser.press('r')
        self.happens('a replay is asked for first', is_open('#ask'))
        self.ok('with the lane', 'uplink:refuses' in browser.text('#ask-what'))
        self.shot('light-ask-replay')
        browser.press(ESCAPE)
        self.happens('Escape changes nothing', f"!{is_open('#ask')} && {says('#detail .st', 'dead')}")
        browser.press('r')
        browser.until(is_open('#ask'))
        browser.click('#ask button.main')
        self.happens('one is replayed, and told', f"!{is_open('#ask')} && {says('#say', '1 pending again')}")
        self.happens('and seen to arrive', "document.querySelector('#detail .st').textContent.endsWith('delivered')")
        self.ok('with its attempts before', browser.js("return document.querySelectorAll('#detail .runs').length") == 2)
        self.shot('light-replayed')
        browser.press(ESCAPE)
        self.happens('Escape closes it', "document.querySelector('#detail').hidden")

        browser.view('deliveries?state=dead&lane=uplink:broken')
        browser.until(f"location.hash.includes('broken') && {rows('deliveries')} === 4")
        browser.press('j', 'x', DOWN, 'x', DOWN, ' ')
        self.ok('rows are picked by keys', browser.text('#picked b') == '3 picked', browser.text('#picked b'))
        self.sound('what is picked')
        self.shot('light-picked')
        browser.click('#picked [data-act=replay]')
        browser.until(is_open('#ask'))
        self.ok('how many is said first', '3 deliveries of uplink:broken' in browser.text('#ask-what'), browser.text('#ask-what'))
        browser.click('#ask button.main')
        self.happens('many are replayed', "document.querySelector('#say').textContent.startsWith('3 pending again')")
        browser.view('deliveries?lane=uplink:broken')
        browser.until(f"location.hash === '#deliveries?lane=uplink:broken' && {rows('deliveries')} === 4")
        browser.click('#deliveries thead input')
        browser.until("!document.querySelector('#picked [data-act=all]').hidden")
        browser.click('#picked [data-act=all]')
        browser.click('#picked [data-act=drop]')
        browser.until(is_open('#ask'))
        self.ok('to drop all that match asks for the word', browser.js("return document.querySelector('#ask button.main').disabled"))
        browser.type('#ask input', 'drop')
        self.sound('the question')
        self.shot('light-ask-drop')
        browser.click('#ask button.main')
        self.happens('all that match are dropped', "document.querySelector('#say').textContent.startsWith('4 dropped for good')")
        self.happens('and gone', f"{rows('deliveries')} === 0")
        self.ok('in the gateway too', not gateway.get('/api/deliveries?lane=uplink:broken')['deliveries'])

        browser.view('lanes')
        lane = "[...document.querySelectorAll('#lanes tbody tr')].find(row => row.dataset.k === 'uplink:acme')"
        browser.until(lane)
        browser.js(f'{lane}.querySelector("button").click()')
        self.happens('a lane is paused', f"{lane}.textContent.includes('paused')")
        browser.js(f'{lane}.querySelector("button").click()')
        self.happens('and resumed', f"{lane}.textContent.includes('closed')")
        self.sound('acts')

    def gateway_forgives(self):
        self.gateway.peers.forgiving = True

    def keys(self):
        """Everything without a pointer; many pages."""
        browser, gateway = self.browser, self.gateway
        for n in range(120):
            gateway.submit('acme', f'{n}')
        browser.open(gateway.url + '#deliveries?lane=uplink:acme')
        browser.until(f"{LIVE} && {rows('deliveries')} === 50")
        seen = []
        keys = "[...document.querySelectorAll('#deliveries tbody tr')].map(row => row.dataset.k)"
        for page in range(3):
            seen += browser.js(f'return {keys}')
            if page < 2:
                browser.press(']')
                browser.until(f"{keys}[0] < '{seen[-1]}'")
        self.ok('every page has other rows, newest first', len(set(seen)) == len(seen) > 100 and seen == sorted(seen, reverse=True), len(seen))
        browser.press('[')
        self.happens('[ leads back', f"{keys}[0] === '{seen[50]}'")
        browser.press('n')
        self.happens('n leads to the newest', f"{keys}[0] === '{seen[0]}'")
        browser.press('j')
        held = browser.js('return document.activeElement.dataset.k')
        newer = gateway.submit('acme', 'newer')
        self.happens('who reads is not moved on, but told', says('#deliveries [data-go=newest]', 'newer'))
        self.ok('and keeps the focus', held and browser.js('return document.activeElement.dataset.k') == held)
        browser.press(DOWN)
        self.ok('arrow down moves it by one row', browser.js('return document.activeElement.previousSibling.dataset.k') == held)
        browser.press('n')
        self.happens('n shows what is newer', f"{keys}[0] === '{newer}'")
        browser.press('?')
        self.happens('? lists the keys', is_open('#help'))
        self.sound('the list of keys')
        self.shot('light-keys')
        browser.press(ESCAPE, 't', 't')
        self.ok('t changes the colours', browser.js('return document.documentElement.dataset.theme') == 'dark')
        browser.press('t', 'p')
        self.ok('p holds', browser.js("return document.querySelector('#live').dataset.on") == 'held')
        browser.press('p')
        self.happens('p follows again', LIVE)
        for number, view in enumerate(VIEWS, 1):
            browser.press(str(number))
            self.happens(f'{number} leads to {view}', f"location.hash === '#{view}'")
        browser.press('1')
        browser.leave_field()
        ring = '''const one = document.activeElement, width = parseFloat(getComputedStyle(one).outlineWidth);
                  return one.matches('main') || width > 1 ? '' : one.outerHTML.slice(0, 80)'''
        unseen = []
        for _ in range(16):
            browser.press(TAB)
            unseen += filter(None, [browser.js(ring)])
        self.ok('the focus is seen wherever Tab leads', not unseen, unseen)
        self.ok('the page stays small', browser.js("return document.querySelectorAll('*').length") < 3000)

    def phone(self):
        browser = self.browser
        browser.size(390, 844, scale=2, mobile=True)
        try:
            for colours in ('light', 'dark'):
                browser.prefer(colours)
                browser.open(self.gateway.url)
                browser.until(LIVE)
                for view in VIEWS:
                    self.view(view, f'phone-{colours}-{view}', whole=view in ('overview', 'lanes'))
                browser.view('deliveries?lane=uplink:closed')
                browser.until(f"{rows('deliveries')} === 1")
                browser.click('#deliveries tbody tr[data-k] td:nth-child(3)')
                self.happens(f'phone-{colours}-delivery: a tap opens it', "document.querySelector('#detail .runs .took')")
                self.sound(f'phone-{colours}-delivery')
                self.shot(f'phone-{colours}-delivery', whole=True)
        finally:
            browser.size(1440, 900)
            browser.prefer('light')

    def token(self):
        """A gateway with a token shows nothing without it, and nothing is stored yet."""
        browser = self.browser
        gateway = Gateway(self.gateway.program, self.gateway.folder.with_name('token'), self.gateway.peers, token='s3cret-s3cret')
        try:
            gateway.start()
            browser.open(gateway.url)
            self.happens('without a token it asks for one', is_open('#signin'))
            self.shot('light-sign-in')
            browser.press(ESCAPE, ESCAPE)
            self.ok('Escape does not lead past it', browser.js('return ' + is_open('#signin')))
            browser.type('#signin input', 'wrong' + ENTER)
            self.happens('a wrong one is refused', f"{is_open('#signin')} && {says('#signin .error', 'does not know')}")
            self.ok('only refusals are in the log', all('401' in message for message in browser.log()))
            self.sound('sign-in')
            browser.type('#signin input', 's3cret-s3cret' + ENTER)
            self.happens('the right one lets in', f"!document.querySelector('#signin').open && {LIVE}")
            for view in VIEWS:
                browser.view(view)
                self.happens(f'empty {view}: says that there is nothing', f"document.querySelector('#{view} tbody .empty') || {rows(view)} > 0")
                self.sound(f'empty {view}')
                self.shot(f'light-empty-{view}')
            browser.reload()
            self.happens('the tab keeps it', LIVE)
            self.ok('and nothing else does', browser.js("return document.cookie === '' && !JSON.stringify(localStorage).includes('s3cret')"))
            browser.click('#out')
            self.happens('signing out forgets it', f"{is_open('#signin')} && sessionStorage.length === 0 && !document.querySelector('tbody tr')")
            browser.log()
        finally:
            gateway.stop()

    def away(self):
        """The gateway is killed, and comes back."""
        browser, gateway = self.browser, self.gateway
        browser.open(gateway.url + '#deliveries')
        browser.until(f"{LIVE} && {rows('deliveries')} > 5")
        browser.leave_field()
        browser.type('#deliveries [name=lane]', 'uplink:cl')
        gateway.kill()
        self.happens('a gateway that is gone is told of', f"!document.querySelector('#trouble').hidden && {says('#trouble', 'does not answer')}")
        self.ok('what was read stays', browser.js('return ' + rows('deliveries')) > 0)
        self.ok('and what was being typed', browser.js("return document.querySelector('#deliveries [name=lane]').value") == 'uplink:cl')
        browser.log()  # the stream that the kill has cut
        # The page asks again every few seconds, and Chromium notes each refusal by itself.
        self.sound('gone', expected='net::ERR_CONNECTION_REFUSED')
        self.shot('light-gone')
        gateway.start()
        self.happens('one that is back is followed again', f"{LIVE} && document.querySelector('#trouble').hidden", 30)
        browser.log()


def main(program, folder, *parts):
    shots = Path(folder)
    shots.mkdir(parents=True, exist_ok=True)
    for old in shots.glob('*.png'):
        old.unlink()
    work, peers, started = Path(tempfile.mkdtemp(prefix='console-')), Peers(), time.monotonic()
    gateway = Gateway(program, work / 'open', peers)
    try:
        with open(shots / 'chromedriver.log', 'w') as log, Browser(log) as browser:
            gateway.start()
            gateway.seed()
            check = Check(browser, gateway, shots)
            for part in parts or ('plain', 'views', 'acts', 'keys', 'phone', 'token', 'away'):
                print(f'-- {part} ({time.monotonic() - started:.0f} s)', flush=True)
                try:
                    getattr(check, part)()
                except Exception:
                    traceback.print_exc()
                    check.ok(f'{part} came to its end', False, browser.log())
                    check.shot(f'stopped-{part}')
    finally:
        gateway.stop()
        shutil.copy(work / 'open' / 'log', shots / 'gateway.log')
        shutil.rmtree(work, ignore_errors=True)
    print(f'{check.passed} ok, {len(check.failed)} failed, {time.monotonic() - started:.0f} s; screenshots are in {shots}')
    for what in check.failed:
        print(f'FAILED  {what}')
    return bool(check.failed)


if __name__ == '__main__':
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
