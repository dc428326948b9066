"""The kernel of Python actions. What it is to run, and for whom, comes as JSON on standard input; all that it says goes to descriptor 3."""
import fcntl
import os

# Before anything heavy is imported: descriptors that users' programs are not to inherit.
journal_fd = fcntl.fcntl(3, fcntl.F_DUPFD_CLOEXEC, 10)
for spare in (3, 4, 5):
    try:
        os.close(spare)
    except OSError:
        pass
with open(0, "rb", closefd=False) as given:
    order = given.read()
null = os.open(os.devnull, os.O_RDONLY)
os.dup2(null, 0)
os.close(null)

from ama_kernel.app import serve  # noqa: E402

serve(order, journal_fd)
