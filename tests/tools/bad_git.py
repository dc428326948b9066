"""A git server over HTTP that says whatever a test wants: refs that are none, packs that are broken, silence.

with BadGit(refs=[(oid, name)], pack=bytes) as server: server.url + "/x.git"
"""
import hashlib
import http.server
import socket
import struct
import threading
import zlib

COMMIT, TREE, BLOB, TAG, OFS_DELTA, REF_DELTA = 1, 2, 3, 4, 6, 7
KINDS = {COMMIT: "commit", TREE: "tree", BLOB: "blob", TAG: "tag"}


def oid(kind, data):
    return hashlib.sha1(b"%s %d\0" % (KINDS[kind].encode(), len(data)) + data).hexdigest()


def tree(*entries):
    """entries: (mode text, name bytes, hex id), in the order given."""
    return b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(one) for mode, name, one in entries)


def commit(tree_id, parents=(), text="bad\n"):
    return ("tree %s\n%sauthor t <t@t> 1 +0000\ncommitter t <t@t> 1 +0000\n\n%s" %
            (tree_id, "".join("parent %s\n" % p for p in parents), text)).encode()


def header(kind, size):
    first, size = (kind << 4) | (size & 15), size >> 4
    out = bytearray()
    while size:
        out.append(first | 0x80)
        first, size = size & 0x7f, size >> 7
    out.append(first)
    return bytes(out)


def varint(number):
    out = bytearray()
    while number > 0x7f:
        out.append(number & 0x7f | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def deflated(data):
    """Little is only stored, so that what a fuzzer changes is the data."""
    return zlib.compress(data, 0 if len(data) < 1000 else 9)


def pack(*objects, count=None, checksum=True):
    """objects: (kind, data), or (REF_DELTA, base hex id, delta), or raw bytes."""
    data = b"PACK" + struct.pack(">II", 2, len(objects) if count is None else count)
    for one in objects:
        if isinstance(one, bytes):
            data += one
        elif one[0] == REF_DELTA:
            data += header(REF_DELTA, len(one[2])) + bytes.fromhex(one[1]) + deflated(one[2])
        else:
            data += header(one[0], len(one[1])) + deflated(one[1])
    digest = hashlib.sha1(data).digest()
    return data + (digest if checksum else bytes(20))


def delta(base_size, result_size, commands):
    return varint(base_size) + varint(result_size) + commands


def line(data):
    return b"%04x" % (len(data) + 4) + data


def advertisement(refs, capabilities="side-band-64k ofs-delta"):
    out = line(b"# service=git-upload-pack\n") + b"0000"
    for number, (one, name) in enumerate(refs):
        name = name if isinstance(name, bytes) else name.encode()
        out += line(one.encode() + b" " + name + (b"\0" + capabilities.encode() if number == 0 else b"") + b"\n")
    return out + b"0000"


def sideband(data):
    out = line(b"NAK\n")
    for at in range(0, len(data), 60000):
        out += line(b"\x01" + data[at:at + 60000])
    return out + b"0000"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def log_message(self, *args):
        pass

    def start(self, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()

    def do_GET(self):
        self.server.requests += 1
        self.start("application/x-git-upload-pack-advertisement")
        self.wfile.write(self.server.advertised)

    def do_POST(self):
        self.server.requests += 1
        self.rfile.read(int(self.headers.get("Content-Length") or 0))  # unread bytes would reset the connection
        self.start("application/x-git-upload-pack-result")
        if callable(self.server.pack):
            self.server.pack(self.wfile)
        else:
            self.wfile.write(sideband(self.server.pack))


class BadGit(http.server.ThreadingHTTPServer):
    """pack: bytes, or a function that writes the whole answer to a file and may take for ever. advertised: raw bytes instead of refs."""
    daemon_threads = True

    def __init__(self, refs=(), pack=b"", advertised=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.advertised = advertisement(refs) if advertised is None else advertised
        self.pack, self.requests = pack, 0
        self.url = "http://127.0.0.1:%d" % self.server_port

    def handle_error(self, request, client_address):
        pass

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *args):
        self.shutdown()
        self.server_close()


class Silent:
    """Accepts and says nothing, or `first` and then nothing, or `byte` again and again, slowly."""

    def __init__(self, first=b"", byte=None, every=0.2):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = "http://127.0.0.1:%d" % self.port
        self.first, self.byte, self.every, self.connections, self.over = first, byte, every, [], threading.Event()

    def talk(self, connection):
        try:
            connection.sendall(self.first)
            while self.byte and not self.over.wait(self.every):
                connection.sendall(self.byte)
        except OSError:
            pass

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def __enter__(self):
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *args):
        self.over.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()
        for connection in self.connections:
            connection.close()
