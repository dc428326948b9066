"""Values that must be nowhere: the ways in which they may be written, made apart from the code, and who looks for them."""
import base64
import json
import os
import pathlib
import urllib.parse


def forms(value):
    """Every usual way to write it, as bytes."""
    raw = value.encode()
    found = {raw}
    found.update(line for line in raw.splitlines() if len(line) >= 8)
    for before in (b"", b"x", b"xy"):
        skip = (len(before) * 8 + 5) // 6
        whole = (len(before) + len(raw)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            found.add(encode(before + raw)[skip:whole])
    for safe in ("", "/", "!~*'()", ";,/?:@&=+$-_.!~*'()#"):
        found.add(urllib.parse.quote(value, safe=safe).encode())
    found.add(urllib.parse.quote_plus(value).encode())
    for ascii_only in (True, False):
        text = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        found.update({text.encode(), text.replace("/", "\\/").encode()})
    found.add(value.replace("\\", "\\\\").encode())    # as R prints it without quotes, and Python in single ones
    return found


class Canaries(dict):
    """Secrets by name."""

    def __init__(self, **values):
        super().__init__({name.replace("_", "-"): value for name, value in values.items()})
        self.forms = {name: forms(value) for name, value in self.items()}

    def within(self, data):
        """Names of those that stand in these bytes, in any form."""
        return [name for name, all_forms in self.forms.items() if any(form in data for form in all_forms)]

    def in_files(self, folder, *but):
        """(path, names) of files below folder that hold one."""
        found, looked_at = [], 0
        for at, folders, names in os.walk(folder):
            folders[:] = [f for f in folders if pathlib.Path(at, f) not in but]
            for name in names:
                path = pathlib.Path(at, name)
                if path in but or not path.is_file():
                    continue
                looked_at += 1
                if names_in := self.within(str(path).encode() + path.read_bytes()):
                    found.append((str(path), names_in))
        assert looked_at > 10, f"only {looked_at} files in {folder}"
        return found

    def in_processes(self, part):
        """(pid, command) of all processes whose `part` (cmdline, environ) holds one."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and self.within((entry / part).read_bytes()):
                    found.append((int(entry.name), (entry / "comm").read_text().strip()))
            except OSError:
                continue
        return found
