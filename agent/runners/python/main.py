"""The kernel of Python actions. On standard input comes a line of JSON, of what it may load, and when it is wanted, which may be later, JSON of what it is to run, and for
whom; all that it says goes to descriptor 3."""
import fcntl
import json
import os
import sys

# Before anything heavy is imported: descriptors that users' programs are not to inherit.
journal_fd = fcntl.fcntl(3, fcntl.F_DUPFD_CLOEXEC, 10)
for spare in (3, 4, 5):
    try:
        os.close(spare)
    except OSError:
        pass
given = open(0, "rb", buffering=0, closefd=False)
hint = json.loads(given.readline())

from ama_kernel.app import serve  # noqa: E402

if hint["spark_home"]:
    from ama_kernel.spark import load
    load(hint["spark_home"])
order = given.readall()
if not order:
    sys.exit(0)     # it was not wanted
null = os.open(os.devnull, os.O_RDONLY)
os.dup2(null, 0)
os.close(null)
serve(order, journal_fd)
