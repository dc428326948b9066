"""A git server over HTTP on a wildcard port of loopback: git's own http-backend behind a small CGI server.

As a program:  git_http.py ROOT [--auth USER:PASSWORD] [--cert PEM]     prints the address, serves until stdin ends
As a module:   with GitHttp(root, auth=("u", "p")) as server: server.url + "/repo.git"; server.requests
"""
import argparse
import base64
import http.server
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            data = b""
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                data += self.rfile.read(size)
                self.rfile.readline()
                if not size:
                    return data
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def plain(self, status, headers=(), text=b""):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def authorised(self):
        if not self.server.auth:
            return True
        wanted = "Basic " + base64.b64encode(":".join(self.server.auth).encode()).decode()
        return self.headers.get("Authorization") == wanted

    def handle_one(self):
        body = self.body() if self.command == "POST" else b""
        self.server.requests.append((self.command, self.path, self.headers.get("Authorization")))
        if self.server.before and self.server.before(self):
            return
        if not self.authorised():
            self.plain(401, [("WWW-Authenticate", 'Basic realm="git"')])
            return
        path, _, query = self.path.partition("?")
        env = {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": self.server.root, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
            "QUERY_STRING": query, "REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "REMOTE_ADDR": "127.0.0.1", "REMOTE_USER": self.server.auth[0] if self.server.auth else "",
            "CONTENT_LENGTH": str(len(body)), "GIT_CONFIG_NOSYSTEM": "1", "HOME": "/nonexistent",
            "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        head, _, text = done.stdout.partition(b"\r\n\r\n")
        status, headers = 200, []
        for line in head.decode("latin-1").split("\r\n"):
            name, _, value = line.partition(": ")
            if name.lower() == "status":
                status = int(value.split()[0])
            elif name:
                headers.append((name, value))
        self.server.sent.append(len(text))
        self.plain(status, headers, text)

    do_GET = do_POST = handle_one


class GitHttp(http.server.ThreadingHTTPServer):
    """before: called with the handler of each request; true if it has answered. requests: (method, path, Authorization)."""
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, root, auth=None, cert=None, before=None, address="127.0.0.1"):
        super().__init__((address, 0), Handler)
        self.root, self.auth, self.before = os.path.abspath(root), auth, before
        self.requests, self.sent = [], []
        if cert:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(cert)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = "%s://%s:%d" % ("https" if cert else "http", "localhost" if cert else "127.0.0.1", self.server_port)

    def handle_error(self, request, client_address):
        pass  # a client that hangs up is part of many tests

    def __enter__(self):
        self.thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *args):
        self.shutdown()
        self.server_close()


def make_certificate(folder, name="localhost"):
    """A self-signed certificate and its key in one file; also its own authority."""
    path = os.path.join(folder, name + ".pem")
    key, cert = path + ".key", path + ".crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=" + name,
                    "-addext", "subjectAltName=DNS:" + name, "-keyout", key, "-out", cert], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(path, "wb") as out:
        for part in (key, cert):
            with open(part, "rb") as source:
                shutil.copyfileobj(source, out)
    return path


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("--auth")
    parser.add_argument("--cert")
    options = parser.parse_args()
    auth = tuple(options.auth.split(":", 1)) if options.auth else None
    with GitHttp(options.root, auth, options.cert) as server:
        print(server.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    socket.setdefaulttimeout(60)
    main()
