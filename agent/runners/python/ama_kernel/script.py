"""The user's file: its top-level statements, and where in it something failed."""
import ast
import linecache
import os
import re
import sys

FRAMES = 32
QUOTED = re.compile(r'^\s*File "([^"\n]+)", line (\d+)', re.M)     # in what came from another process, of a task for example


class Script:
    def __init__(self, name, path, repo):
        self.name, self.path, self.repo = name, path, repo
        self.doc = None

    def split(self, text):
        """[{code, line, end_line, column}]. Raises SyntaxError: nothing of the file is run then."""
        text = text.removeprefix("\ufeff")
        data = text.encode()
        lines = data.splitlines(True)       # as Python does: a form feed, which str takes for an end, is none
        linecache.cache[self.name] = (len(text), None, [line.decode() for line in lines], self.name)
        tree = ast.parse(text, self.name)
        compile(tree, self.name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)   # what only the compiler sees: a return outside a function
        self.doc = ast.get_docstring(tree, clean=False)
        starts = [0]
        for line in lines:
            starts.append(starts[-1] + len(line))
        return [self._statement(node, data, starts) for node in tree.body[self.doc is not None:]]

    @staticmethod
    def _statement(node, data, starts):
        first = min([node, *getattr(node, "decorator_list", [])], key=lambda part: part.lineno)
        column = first.col_offset if first is node else data[starts[first.lineno - 1]:].find(b"@")
        begin = starts[first.lineno - 1] + (node.col_offset if first is node else column)
        end = starts[node.end_lineno - 1] + node.end_col_offset
        return {"code": data[begin:end].decode(), "line": first.lineno, "end_line": node.end_lineno, "column": column + 1}

    def _shown(self, file):
        """A file of the repository by its name there; None for others."""
        if file == self.name:
            return file
        path = os.path.realpath(file) if os.path.isabs(file) else ""
        return os.path.relpath(path, self.repo) if path.startswith(self.repo + os.sep) else None

    def frames(self, error):
        """The user's own frames, innermost first; of a task's failure those in the task come before."""
        found = [(file, int(line)) for file, line in QUOTED.findall(str(error)[:65536])][::-1] if not isinstance(error, SyntaxError) else []
        walked, at = [], error.__traceback__
        while at is not None:
            walked.append((at.tb_frame.f_code.co_filename, at.tb_lineno))
            at = at.tb_next
        if isinstance(error, SyntaxError) and error.filename:
            walked.append((error.filename, error.lineno or 0))
        shown = [{"file": name, "line": line} for file, line in found + walked[::-1] if (name := self._shown(file))]
        return [frame for at, frame in enumerate(shown) if frame not in shown[:at]][:FRAMES]


def search_path(path):
    """As if Python had been started with the file: what lies beside it can be imported."""
    sys.path.insert(0, os.path.dirname(path))
    sys.argv = [path]
