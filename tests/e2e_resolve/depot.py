"""What the tests of the resolver share: Maven repositories on loopback that can misbehave, and a resolver to ask."""
import base64
import collections
import hashlib
import http.server
import json
import os
import pathlib
import queue
import subprocess
import threading

SOURCE = pathlib.Path(os.environ["AMA_SOURCE_DIR"])
BINARY = pathlib.Path(os.environ["AMA_BINARY_DIR"])
LIMIT = 300  # seconds any single answer may take


class Depot:
    """A Maven repository: files by path, served over http. `user` and `password`: asked for with Basic auth.

    `tricks` maps the end of a path to a function (handler) -> True if it has dealt with the request itself.
    """

    def __init__(self, user=None, password=None):
        self.files, self.tricks, self.gets = {}, {}, collections.Counter()
        self.headers = []  # of all requests
        self.login = user and "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        depot = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                depot.serve(self)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass  # a JVM that was killed, or has what it wants

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/m"

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def serve(self, handler):
        path = handler.path
        self.headers.append((path, dict(handler.headers)))
        if handler.command == "GET":
            self.gets[path.rsplit("/", 1)[1]] += 1
        if self.login and handler.headers.get("Authorization") != self.login:
            return self.send(handler, 401, b"who are you?", {"WWW-Authenticate": 'Basic realm="house"'})
        for end, trick in list(self.tricks.items()):
            if path.endswith(end) and trick(handler):
                return None
        body = self.files.get(path)
        return self.send(handler, 404 if body is None else 200, body or b"")

    @staticmethod
    def send(handler, code, body=b"", headers=()):
        handler.send_response(code)
        for name, value in dict(headers).items():
            handler.send_header(name, value)
        if "Content-Length" not in dict(headers):
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    def put(self, path, body, sums=("sha1",)):
        self.files[f"/m/{path}"] = body
        for sum_ in ("sha1", "md5"):
            self.files.pop(f"/m/{path}.{sum_}", None)
        for sum_ in sums:
            self.files[f"/m/{path}.{sum_}"] = hashlib.new(sum_, body).hexdigest().encode()

    def publish(self, coordinates, needs=(), body=None, sums=("sha1",), pom_sums=("sha1",)):
        """One artifact with its description. Returns the bytes of its jar."""
        group, name, version = coordinates.split(":")
        at = f"{group.replace('.', '/')}/{name}/{version}/{name}-{version}"
        inner = "".join("<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"
                        .format(*one.split(":")) for one in needs)
        pom = (f"<project><modelVersion>4.0.0</modelVersion><groupId>{group}</groupId><artifactId>{name}</artifactId>"
               f"<version>{version}</version><dependencies>{inner}</dependencies></project>")
        body = body or f"jar of {coordinates}\n".encode() * 100
        self.put(f"{at}.pom", pom.encode(), pom_sums)
        self.put(f"{at}.jar", body, sums)
        return body


class Resolver:
    """The actor in a process of its own."""

    def __init__(self, cache, credentials=None, env=None, cwd="/", idle_ms=None):
        env = dict(os.environ if env is None else env)
        if idle_ms:
            env["ASK_IDLE_MS"] = str(idle_ms)
        command = [BINARY / "tests/ask_resolver", cache, SOURCE / "actors/resolver"] + ([credentials] if credentials else [])
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=env, cwd=cwd, text=True)
        self.last, self.answers, self.said = 0, {}, collections.defaultdict(list)
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def ask(self, artifacts, repositories, offline=False, lean=False):
        self.last += 1
        json.dump({"id": self.last, "artifacts": artifacts, "repositories": repositories, "offline": offline, "lean": lean},
                  self.process.stdin)
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.last

    def stop(self):
        """Ends it, whatever is open."""
        self.process.stdin.write('{"stop": true}\n')
        self.process.stdin.flush()

    def answer(self, number):
        while number not in self.answers:
            line = self.lines.get(timeout=LIMIT)
            if line is None:
                raise AssertionError("the resolver ended: " + self.process.stderr.read())
            if "progress" in line:
                self.said[line["id"]].append(line["progress"])
            else:
                self.answers[line["id"]] = line
        return self.answers[number]

    def resolve(self, artifacts, repositories, offline=False, lean=False):
        return self.answer(self.ask(artifacts, repositories, offline, lean))

    def children(self):
        """Processes below it that are a JVM with a request."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and b"amaterasu.resolver.Resolve" in (entry / "cmdline").read_bytes() \
                        and int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) == self.process.pid:
                    found.append(int(entry.name))
            except (OSError, ValueError):
                continue
        return found

    def close(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            return self.process.wait(timeout=LIMIT)
        finally:
            self.process.stdout.close()
            self.process.stderr.close()
