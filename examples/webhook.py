"""A webhook for trying things out: listens on this machine, prints its port first, then what it is sent.

usage: webhook.py [PORT]      (absent: a free one)
"""
import http.server
import sys

MAX_BODY = 65536


def read_body(handler):
    """What a request brought, MAX_BODY bytes of it at most, whole or in chunks (RFC 9112, section 7.1)."""
    if handler.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return handler.rfile.read(min(int(handler.headers.get("Content-Length", 0)), MAX_BODY))
    body = b""
    while len(body) <= MAX_BODY:
        size = int(handler.rfile.readline(MAX_BODY).split(b";")[0], 16)
        if size == 0:
            while handler.rfile.readline(MAX_BODY).strip():
                pass
            return body
        body += handler.rfile.read(min(size, MAX_BODY))
        handler.rfile.readline(MAX_BODY)
    handler.close_connection = True
    return body[:MAX_BODY]


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.take(read_body(self))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def take(self, body):
        print("webhook got:", body.decode("utf-8", "replace"), file=sys.stderr, flush=True)

    def log_message(self, *args):
        pass


def main():
    with http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 0), Hook) as server:
        print(server.server_address[1], flush=True)
        sys.stdout.close()
        server.serve_forever()


if __name__ == "__main__":
    main()
