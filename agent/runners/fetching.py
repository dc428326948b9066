"""Files of addresses, for the runners' environment.py and library.py: with the operator's passwords, never to or by way of an address that others could change."""
import base64
import contextlib
import netrc
import os
import time
import urllib.error
import urllib.parse
import urllib.request

from making import Refused, Trouble, plain

PATIENCE = 60               # seconds without a byte
WHOLE = 1800                # seconds for one file
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Missing(Exception):
    """There is no such file."""


def is_loopback(address):
    return urllib.parse.urlsplit(address).hostname in LOOPBACK


class Careful(urllib.request.HTTPRedirectHandler):
    """Nobody is led from https to what others could change on the way."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if not newurl.startswith("https://") and not is_loopback(newurl):
            raise Refused(f"{plain(req.full_url)} leads to {plain(newurl)}, which is no https address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def credentials(address):
    """Of an address of the operator's, which may hold them, or by the agent's ~/.netrc. The address without them, and a header."""
    parts = urllib.parse.urlsplit(address)
    user, password = parts.username, parts.password
    if user is None:
        with contextlib.suppress(OSError, netrc.NetrcParseError):
            user, _, password = netrc.netrc().authenticators(parts.hostname) or (None, None, None)
    bare = urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    if user is None:
        return bare, None
    pair = f"{urllib.parse.unquote(user)}:{urllib.parse.unquote(password or '')}"
    return bare, "Basic " + base64.b64encode(pair.encode()).decode()


def download(address, path, limit):
    """Whole, or not there. Missing, Refused (it will not be given), Trouble (for now)."""
    bare, secret = credentials(address)
    request = urllib.request.Request(bare, headers={"User-Agent": "amaterasu"})
    if secret:
        request.add_unredirected_header("Authorization", secret)
    handlers = [Careful()] + ([urllib.request.ProxyHandler({})] if is_loopback(bare) else [])
    temp, begun, size = f"{path}.{os.getpid()}", time.monotonic(), 0
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=PATIENCE) as answer, open(temp, "wb") as file:
            while part := answer.read(1 << 16):
                size += len(part)
                if size > limit:
                    raise Refused(f"{bare} is more than {limit >> 20} MiB")
                if time.monotonic() - begun > WHOLE:
                    raise Trouble(f"{bare} did not come in {WHOLE} s")
                file.write(part)
            told = answer.headers.get("Content-Length")
            if told and told.isdigit() and int(told) != size:
                raise Trouble(f"{bare} broke off after {size} of {told} bytes")
        os.replace(temp, path)
    except urllib.error.HTTPError as error:
        if error.code in (404, 410):
            raise Missing(bare) from None
        again = error.code >= 500 or error.code in (408, 429)
        raise (Trouble if again else Refused)(f"{bare} answers {error.code} {error.reason}") from None
    except (urllib.error.URLError, TimeoutError, ConnectionError, EOFError) as error:
        raise Trouble(f"{bare} can not be reached: {getattr(error, 'reason', error)}") from None
    except ValueError as error:     # an address that the library does not like
        raise Refused(f"{plain(bare)}: {error}") from None
    except OSError as error:
        raise Trouble(f"{bare} can not be fetched: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temp)
