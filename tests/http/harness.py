"""What the HTTP tests share: the real binary on a free port, a client, raw sockets, and the checks at its end."""
import collections
import http.client
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

SINTER = os.environ["SINTER"]
SOURCE = os.environ["SINTER_SOURCE_DIR"]
TEST_DATA = os.environ.get("SINTER_TEST_DATA", os.path.join(SOURCE, "..", "shared"))
DIGITS = os.path.join(SOURCE, "examples", "digits", "digits.onnx")
IMAGES = os.path.join(SOURCE, "examples", "digits", "images")
MODELS = os.path.join(SOURCE, "tests", "http", "models")
PATIENCE = 60  # seconds for anything that must happen: machines are loaded, and sanitizers slow

SANITIZER_REPORT = re.compile(r"Sanitizer|runtime error:|libmicrohttpd|\.c:\d+:\d+:")
Answer = collections.namedtuple("Answer", "code headers body json")


def model(name):
    return os.path.join(MODELS, name + ".onnx")


def digit_request(digit):
    with open(os.path.join(IMAGES, f"digit_{digit}.json"), encoding="utf-8") as file:
        return json.load(file)


def is_sanitized():
    with open(SINTER, "rb") as file:
        return re.search(rb"__(asan|tsan)_init", file.read()) is not None


def decoded(body):
    try:
        return json.loads(body)
    except ValueError:
        return None


class Client:
    """One keep-alive connection."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

    def request(self, method, path, body=None, headers=None):
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        self.connection.request(method, path, body, headers or {})
        response = self.connection.getresponse()
        content = response.read()
        return Answer(response.status, response.headers, content, decoded(content))

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, body):
        return self.request("POST", path, body)

    def close(self):
        self.connection.close()


class Raw:
    """A socket and just enough HTTP to read answers from it."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.buffer = b""

    def send(self, text):
        self.socket.sendall(text if isinstance(text, bytes) else text.encode())

    def fill(self):
        """False at the end of the stream, however it came."""
        try:
            more = self.socket.recv(65536)
        except ConnectionError:
            return False
        self.buffer += more
        return bool(more)

    def answer(self, head=False):
        """The next answer; None when the server closed the connection instead."""
        while b"\r\n\r\n" not in self.buffer:
            if not self.fill():
                return None
        top, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = top.decode("latin-1").split("\r\n")
        headers = {k.strip().lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
        code = int(lines[0].split()[1])
        length = 0 if head or code == 100 else int(headers.get("content-length", 0))
        while len(self.buffer) < length:
            if not self.fill():
                return None
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return Answer(code, headers, body, decoded(body))

    def is_closed_within(self, seconds):
        self.socket.settimeout(seconds)
        try:
            while self.fill():
                pass
            return True
        except TimeoutError:
            return False
        finally:
            self.socket.settimeout(PATIENCE)

    def close(self):
        self.socket.close()


class Server:
    """`sinter serve`, from its announcement to a clean end."""

    def __init__(self, *arguments, descriptors=None):
        def limit():
            if descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen([SINTER, "serve", "--port", "0", *arguments], stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True, preexec_fn=limit)
        self.announcement = self.process.stdout.readline()
        match = re.search(r" on http://127\.0\.0\.1:(\d+)$", self.announcement.strip())
        if not match:
            self.process.kill()
            raise AssertionError(f"no announcement: {self.announcement!r}, stderr: {self.stderr()}")
        self.port = int(match.group(1))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        else:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            print(self.stderr(), file=sys.stderr)
            self.errors.close()

    def client(self):
        return Client(self.port)

    def raw(self):
        return Raw(self.port)

    def request(self, *arguments):
        """On a connection of its own."""
        client = self.client()
        try:
            return client.request(*arguments)
        finally:
            client.close()

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, body):
        return self.request("POST", path, body)

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def stderr(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    def wait(self):
        """It ends by itself, with success and without a report."""
        code = self.process.wait(PATIENCE)
        self.process.stdout.close()
        errors = self.stderr()
        self.errors.close()
        assert code == 0, f"exit code {code}, stderr: {errors}"
        assert not SANITIZER_REPORT.search(errors), f"stderr: {errors}"
        return errors

    def stop(self):
        """Fails when the server is gone already."""
        assert self.process.poll() is None, f"the server ended with {self.process.poll()}, stderr: {self.stderr()}"
        self.signal()
        time.sleep(0.1)
        self.signal()  # ends the wait for balancers; were it too early, it would only be slower
        return self.wait()

    def status(self, key):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return int(re.search(rf"^{key}:\s+(\d+)", file.read(), re.M).group(1))

    def connections(self):
        """How many it holds open, those that the client closed included."""
        held = set()
        for name in os.listdir(f"/proc/{self.process.pid}/fd"):
            try:
                held.add(os.readlink(f"/proc/{self.process.pid}/fd/{name}"))
            except FileNotFoundError:
                pass
        with open(f"/proc/{self.process.pid}/net/tcp", encoding="ascii") as file:
            rows = [line.split() for line in file][1:]
        return sum(f"socket:[{row[9]}]" in held and row[3] != "0A" for row in rows)

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Background(threading.Thread):
    """A call on a thread of its own; result() gives what it returned, or raises what it raised."""

    def __init__(self, function, *arguments):
        super().__init__(daemon=True)
        self.call = (function, arguments)
        self.value = self.error = None
        self.start()

    def run(self):
        try:
            self.value = self.call[0](*self.call[1])
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error

    def result(self):
        self.join(PATIENCE)
        assert not self.is_alive(), "still running"
        if self.error:
            raise self.error
        return self.value


def wait_until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.01)


def slow_body(n):
    """For tests/http/models/slow.onnx: its time grows as n to the third."""
    return {"inputs": [{"name": "n", "shape": [], "datatype": "INT64", "data": [n]}]}


SLOW = "/v2/models/slow/infer"


def slow_size(server, seconds):
    """An n for slow_body that takes about as long as that on this machine."""
    n = 128
    while True:
        start = time.monotonic()
        answer = server.post(SLOW, slow_body(n))
        assert answer.code == 200, answer.body
        taken = time.monotonic() - start
        if taken > seconds / 8:
            return int(n * (seconds / taken) ** (1 / 3))
        n *= 2
