"""What R writes of packages: DESCRIPTION, PACKAGES, versions, dependencies. Pure; what is read is of anybody."""
import re

NAME = r"[A-Za-z][A-Za-z0-9.]*[A-Za-z0-9]"
VERSION = r"[0-9]{1,9}(?:[.-][0-9]{1,9})*"
BASE = {"base", "compiler", "datasets", "graphics", "grDevices", "grid", "methods", "parallel", "splines", "stats", "stats4", "tcltk", "tools", "utils"}
OPERATORS = {">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b, "==": lambda a, b: a == b, "=": lambda a, b: a == b, ">": lambda a, b: a > b,
             "<": lambda a, b: a < b, "!=": lambda a, b: a != b}


def version(text):
    """As R compares them: 1.10 is more than 1.9, 1.0-1 is 1.0.1, and 1.0.0 is more than 1.0."""
    return tuple(int(part) for part in re.split("[.-]", text))


def records(text, wanted=None):
    """The paragraphs of a file, as dictionaries; wanted: only these fields."""
    record, field = {}, None
    for line in text.split("\n"):
        if not line.strip():
            if record:
                yield record
            record, field = {}, None
        elif line[0] in " \t":
            if field:
                record[field] += " " + line.strip()
        else:
            field, _, value = line.partition(":")
            if wanted is None or field in wanted:
                record[field] = value.strip()
            else:
                field = None
    if record:
        yield record


def dependencies(record, fields):
    """(name, operator, version) of each; operator None: any version. What can not be read is left out, as R does."""
    found = []
    for part in ",".join(record.get(field, "") for field in fields).split(","):
        match = re.fullmatch(rf"({NAME}|R)\s*(?:\(\s*(>=|<=|==|!=|=|>|<)\s*({VERSION})\s*\))?", part.strip())
        if match:
            found.append((match[1], match[2], match[3]))
    return found


def fits(text, operator, bound):
    return not operator or OPERATORS[operator](version(text), version(bound))


def runs_with(record, r_version):
    return all(fits(r_version, operator, bound) for name, operator, bound in dependencies(record, ["Depends"]) if name == "R")
