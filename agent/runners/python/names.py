"""Names of Python packages."""
import re


def canonical(text):
    """The name at the front of a requirement, as indexes compare names (PEP 503)."""
    return re.sub(r"[-_.]+", "-", re.match(r"[A-Za-z0-9._-]*", text).group()).strip("-").lower()
