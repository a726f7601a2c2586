"""The gateway under test, a process of its own, and the peers around it: every text they control tries to be markup."""

import base64
import itertools
import json
import subprocess
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from waiting import free_port, until

APP, KEY = 'Test', 'd57559a82027b7d846318a0c1596d645'
ONLINE, OFFLINE = 5003062, 5003063

# Each is harmless as text alone. What runs leaves `window.pwned`.
HOSTILE = [
    '<img src=x onerror="window.pwned=1">',
    '"><script>window.pwned=1</script>',
    '</td></table><svg onload=window.pwned=1>',
    '</script><script>window.pwned=1</script>',
    "' autofocus onfocus=window.pwned=1 x='",
    '<a href="javascript:window.pwned=1">here</a>',
    '{{constructor.constructor("window.pwned=1")()}}',
    '<!--dead-rows--><iframe srcdoc="<script>top.pwned=1</script>">',
    '\u202egnp.exe\u2066\u200f',
]


class Peers:
    """Where deliveries are sent to: `/good` takes all, `/refuse` none with a hostile message, `/broken` is a page."""

    def __init__(self):
        self.forgiving = False  # `/refuse` takes all from now on
        self.answers = itertools.count()
        self.server = ThreadingHTTPServer(('127.0.0.1', 0), self.handler())
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a gateway that is killed hangs up
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def handler(peers):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def log_message(self, *_):
                pass

            def do_POST(self):
                self.rfile.read(int(self.headers.get('content-length') or 0))
                hostile = HOSTILE[next(peers.answers) % len(HOSTILE)]
                if self.path.startswith('/broken'):
                    page = '<html><body>' + ''.join(HOSTILE) + '\x1b[2J' + '.' * 2000
                    return self.answer(503, page, reason=hostile.encode('ascii', 'ignore').decode())
                if self.path.startswith('/refuse') and not peers.forgiving:
                    return self.answer(200, json.dumps({'code': 1001, 'message': hostile, 'more': HOSTILE}))
                if self.path.startswith('/events'):
                    return self.answer(200, '{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}')
                return self.answer(200, '{"code":0,"message":"ok"}')

            def answer(self, status, text, reason=None):
                body = text.encode()
                self.send_response(status, reason)
                self.send_header('content-type', 'text/html')
                self.send_header('content-length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler


class Gateway:
    """A gateway with a store of its own; it can be killed and started again at the same addresses."""

    def __init__(self, program, folder, peers, token=None):
        self.program, self.folder, self.peers, self.token = program, folder, peers, token
        self.public, self.admin, self.link = (f'127.0.0.1:{free_port()}' for _ in range(3))
        self.processes = []
        folder.mkdir(parents=True)
        (folder / 'app.key').write_text(KEY)
        (folder / 'pushgate.toml').write_text(self.configuration())

    def configuration(self):
        to = f'http://127.0.0.1:{self.peers.port}'
        token = f'admin_token = "{self.token}"' if self.token else ''
        return f'''
[listen]
public = "{self.public}"
admin = "{self.admin}"
link = "{self.link}"
{token}
[store]
url = "sqlite:{self.folder}/pushgate.db"
[network]
allow_private = true
[[lingyang.apps]]
id = "{APP}"
keys = ["{KEY}"]
cids = [[1003200, 1003299], [5003000, 5003999]]
[[uplink.receivers]]
name = "ucloud"
forward = "{to}/good"
[[tencent.receivers]]
name = "im"
sdk_app_id = "1400000000"
[[uplink.destinations]]
name = "acme"
url = "{to}/good"
[[uplink.destinations]]
name = "refuses"
url = "{to}/refuse/'autofocus/onfocus=window.pwned=1//"
[[uplink.destinations]]
name = "broken"
url = "{to}/broken"
circuit_after = 4
[[uplink.destinations]]
name = "closed"
url = "http://127.0.0.1:{free_port()}/"
[[tencent.destinations]]
name = "backend"
url = "{to}/events"
sdk_app_id = "1400000000"
'''

    @property
    def url(self):
        return f'http://{self.admin}/'

    def start(self):
        self.serve = self.run('serve', '--config', str(self.folder / 'pushgate.toml'))
        until('the gateway is ready', lambda: self.get('/readyz', 'text'))
        return self

    def run(self, *arguments):
        with open(self.folder / 'log', 'a') as log:
            process = subprocess.Popen([self.program, *arguments], stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def kill(self):
        self.serve.kill()
        self.serve.wait()

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()

    # ---- asking it

    def ask(self, method, url, body=None, headers=()):
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        headers = {'content-type': 'application/json', **dict(headers)}
        if self.token:
            headers['authorization'] = f'Bearer {self.token}'
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=20) as answer:
            return answer.read().decode()

    def get(self, path, kind='json'):
        """What the admin API says, or nothing while it does not listen."""
        try:
            text = self.ask('GET', f'http://{self.admin}{path}')
        except (urllib.error.URLError, ConnectionError):
            return None
        return json.loads(text) if kind == 'json' else text

    def counts(self):
        return self.get('/api/status')['deliveries']

    # ---- what peers send

    def submit(self, destination, text, phone='+86 185 1234 5678'):
        body = {'MsgType': 0, 'Data': [{'Phone': phone, 'ReplyContent': text, 'ReplyTime': 1563867000}]}
        return json.loads(self.ask('POST', f'http://{self.admin}/api/uplink/{destination}', body))['ids'][0]

    def push(self, cids, message, flag):
        body = {'proxy': 0, 'payload': {'msg': base64.b64encode(message).decode(), 'flag': flag, 'clients': cids}}
        self.ask('POST', f'http://{self.public}/v2/message/server/push', body, {'X-APP-ID': APP, 'X-APP-Key': KEY})

    def receive_sms(self, texts):
        items = [{'ExtendCode': text[:12], 'UserId': text[:20], 'Phone': text, 'ReplyContent': text, 'ReplyTime': 1563867000} for text in texts]
        self.ask('POST', f'http://{self.public}/receive/uplink/ucloud', {'MsgType': 0, 'Data': items})

    def receive_unsupported(self, texts):
        self.ask('POST', f'http://{self.public}/receive/uplink/ucloud', {'MsgType': 7, 'Data': [{text: text, 'Seq': 9007199254740993} for text in texts]})

    def receive_events(self, texts):
        items = [{'CallbackCommand': 'Push.OfflinePush', 'EventType': 1, 'EventTime': 1669872112, 'To_Account': text, 'PushStage': 1,
                  'ErrCode': 0, 'ErrInfo': text, 'PushID': text} for text in texts]
        query = 'SdkAppid=1400000000&CallbackCommand=Push.OfflinePush&contenttype=json'
        self.ask('POST', f'http://{self.public}/receive/tencent/im?{query}', {'Events': items}, {'User-Agent': HOSTILE[0]})

    def connect(self, cid):
        expire = str(int(time.time()) + 3600)
        issue = [self.program, 'token', 'issue', '--key-file', str(self.folder / 'app.key'), '--cid', str(cid), '--expire', expire]
        token = subprocess.run(issue, capture_output=True, text=True, check=True).stdout.strip()
        self.run('device', '--link', self.link, '--token', token)

    def seed(self):
        """Something of everything: delivered, dead, dropped, pending; an open circuit; an inbox; a device."""
        self.connect(ONLINE)
        for n, text in enumerate(HOSTILE):
            self.submit('acme', f'{text} {n}', phone=text)
        for text in HOSTILE[:4]:
            self.submit('broken', text)
        for text in HOSTILE[:2]:
            self.submit('refuses', text)
        self.submit('closed', 'nobody is there')
        self.push([OFFLINE], HOSTILE[0].encode(), flag=3)
        self.push([ONLINE], HOSTILE[1].encode(), flag=2)
        self.push([ONLINE], b'\xff\x00\x1b[2J', flag=2)
        self.receive_sms(HOSTILE)
        self.receive_unsupported(HOSTILE)
        self.receive_events(HOSTILE)
        until('a device is online', lambda: self.get('/api/status')['devices'])
        until('schedules are exhausted', lambda: self.counts()['dead'] >= 7)
        until('a push nobody waits for is dropped', lambda: self.counts()['dropped'] >= 1)
