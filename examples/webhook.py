"""A webhook for trying things out: listens on a free port of this machine, prints that port first, then what it is sent."""
import http.server
import sys


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        size = min(int(self.headers.get("Content-Length", 0)), 65536)
        print("webhook got:", self.rfile.read(size).decode("utf-8", "replace"), file=sys.stderr, flush=True)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
    print(server.server_address[1], flush=True)
    sys.stdout.close()
    server.serve_forever()
