"""A headless Chromium, driven over plain WebDriver, as the protocol's own page has it; nothing beside Python is needed."""

import base64
import json
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request

from waiting import BOUND, free_port, until

ELEMENT = 'element-6066-11e4-a52e-4f735466cecf'

# Keys as WebDriver names them.
TAB, ENTER, ESCAPE, LEFT, DOWN = '\ue004', '\ue007', '\ue00c', '\ue012', '\ue015'

ARGUMENTS = [
    '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--no-first-run', '--disable-dev-shm-usage', '--window-size=1440,900',
]


class Browser:
    """One window of a browser with an empty profile; a context manager, so that none is left behind."""

    def __init__(self, log):
        self.profile = tempfile.mkdtemp(prefix='console-')
        port = free_port()
        self.driver = subprocess.Popen(['chromedriver', f'--port={port}'], stdout=log, stderr=log)
        self.base = f'http://127.0.0.1:{port}'
        until('chromedriver listens', self.listens)
        options = {'args': [*ARGUMENTS, f'--user-data-dir={self.profile}']}
        wanted = {'browserName': 'chrome', 'goog:chromeOptions': options, 'goog:loggingPrefs': {'browser': 'ALL'}}
        session = self.call('POST', '/session', {'capabilities': {'alwaysMatch': wanted}})
        self.base += '/session/' + session['sessionId']

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.call('DELETE', '')
        except (OSError, RuntimeError):
            pass  # it is ended below
        self.driver.terminate()
        self.driver.wait(10)
        shutil.rmtree(self.profile, ignore_errors=True)

    def listens(self):
        try:
            return self.call('GET', '/status')['ready']
        except OSError:
            return False

    def call(self, method, path, body=None):
        data = json.dumps(body or {}).encode() if method == 'POST' else None
        request = urllib.request.Request(self.base + path, data, {'content-type': 'application/json'}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)['value']
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)['value']['message'].splitlines()[0]) from None

    def devtools(self, command, **params):
        return self.call('POST', '/goog/cdp/execute', {'cmd': command, 'params': params})

    # ---- what a person does

    def open(self, url):
        """Opens a page anew, with the pointer on nothing in it."""
        self.call('POST', '/url', {'url': 'about:blank'})
        move = {'type': 'pointerMove', 'x': 0, 'y': 0, 'duration': 0}
        self.call('POST', '/actions', {'actions': [{'type': 'pointer', 'id': 'mouse', 'actions': [move]}]})
        self.call('POST', '/url', {'url': url})

    def reload(self):
        self.call('POST', '/refresh')

    def view(self, fragment):
        """Goes to a view by its address; what is awaited afterwards says that it is there."""
        self.js('location.hash = arguments[0]', fragment)

    def find(self, css):
        return self.call('POST', '/element', {'using': 'css selector', 'value': css})[ELEMENT]

    def click(self, css):
        self.call('POST', f'/element/{self.find(css)}/click')

    def type(self, css, text):
        self.call('POST', f'/element/{self.find(css)}/value', {'text': text})

    def choose(self, css, value):
        """Sets a field and tells the page so, as a choice from a list does."""
        self.js('''const field = document.querySelector(arguments[0]);
                   field.value = arguments[1];
                   field.dispatchEvent(new Event('input', { bubbles: true }))''', css, value)

    def press(self, *keys):
        for key in keys:
            strokes = [{'type': kind, 'value': key} for kind in ('keyDown', 'keyUp')]
            self.call('POST', '/actions', {'actions': [{'type': 'key', 'id': 'keyboard', 'actions': strokes}]})

    def leave_field(self):
        self.js('document.activeElement.blur()')

    def size(self, width, height, scale=1, mobile=False):
        self.devtools('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=scale, mobile=mobile)

    def prefer(self, colours):
        features = [{'name': 'prefers-color-scheme', 'value': colours}, {'name': 'prefers-reduced-motion', 'value': 'reduce'}]
        self.devtools('Emulation.setEmulatedMedia', features=features)

    # ---- what is seen

    def js(self, script, *arguments):
        return self.call('POST', '/execute/sync', {'script': script, 'args': arguments})

    def until(self, expression, bound=BOUND):
        """Waits until an expression is true in the page, and returns it; of what is not there yet, nothing is true."""
        script = f'try {{ return {expression} }} catch (error) {{ if (error instanceof TypeError) return null; throw error }}'
        return until(expression, lambda: self.js(script), bound)

    def text(self, css):
        return self.js('return document.querySelector(arguments[0])?.textContent ?? ""', css)

    def log(self):
        """What the browser's console has said since it was asked last, and was not meant as a note."""
        return [entry['message'] for entry in self.call('POST', '/se/log', {'type': 'browser'}) if entry['level'] in ('SEVERE', 'WARNING')]

    def screenshot(self, path, whole=False):
        data = self.devtools('Page.captureScreenshot', format='png', captureBeyondViewport=whole)['data']
        path.write_bytes(base64.b64decode(data))
