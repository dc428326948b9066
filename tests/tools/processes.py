"""Which processes live in a test's folder."""
import os
import pathlib


def state_of(pid):
    """The letter of /proc/PID/stat; None: there is no such process."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (OSError, IndexError):
        return None


def living_in(folder):
    """(pid, command line) of all that have the folder in their command line or environment, but ourselves."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
            try:
                environ = (entry / "environ").read_bytes()
            except PermissionError:  # amad and its agent let nobody look
                environ = b""
        except OSError:
            continue
        if str(folder).encode() in environ + command.encode() and state_of(entry.name) not in (None, "Z", "X"):
            found.append((int(entry.name), command))
    return found
