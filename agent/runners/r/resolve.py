"""Which versions of which packages: what a job names, what that needs, what R and its machine have. Nothing of a package is run.

Round by round: what the choice so far needs is written down, then everything is chosen anew under that, until nothing changes. Each package is the newest that all who need it allow; an older one of another
package is not tried.
"""
import contextlib

import dcf
from fetching import Missing
from making import Refused

ROUNDS = 100
TRIES = 10              # archived versions that are looked into
NEEDS = ("Depends", "Imports", "LinkingTo")
KERNEL = ("IRkernel", "jsonlite")       # what runs an action, and what is said to it first


class Entry:
    """What a job says: "glue", "glue == 1.6.2", "glue >= 1.6 @ REPOSITORY"."""

    def __init__(self, package):
        text, _, self.place = package["text"].partition(" @ ")
        self.name, _, bound = text.partition(" ")
        self.operator, _, self.version = bound.partition(" ")
        self.shown = f"{package['file']}:{package['line']}: {package['text']}"


class Installed:
    """In one of the machine's own libraries."""
    installed, source = True, None

    def __init__(self, record):
        self.name, self.version, self.record = record["Package"], record["Version"], record

    def needs(self):
        return dcf.dependencies(self.record, NEEDS[:2])


class Chosen:
    """To be installed, from a source."""
    installed = False

    def __init__(self, name, source):
        self.name, self.version, self.source = name, source.record["Version"], source

    def needs(self):
        return dcf.dependencies(self.source.record, NEEDS)


class Wanted:
    """A package that is needed, by whom, and what they ask of it."""

    def __init__(self, entry, repository):
        self.entry, self.repository = entry, repository     # which led here first
        self.bounds = []                                    # operator, version, who says so
        self.pinned = None                                  # the one repository that it may come from

    def allows(self, version):
        return all(dcf.fits(version, operator, bound) for operator, bound, _ in self.bounds)


class Resolver:
    """entries: of the job. listed: the repositories of the job's own, or the machine's. place: an entry's word to a repository. locked: name to a function that gives the source, or None."""

    def __init__(self, entries, listed, place, installed, r_version, locked=None):
        self.entries, self.listed, self.place, self.installed, self.r_version, self.locked = entries, listed, place, installed, r_version, locked
        self.chosen, self.sources = {}, {}

    def wanted(self):
        """By what is chosen so far, in the order in which it is found."""
        found = {}
        for entry in self.entries:
            one = found.setdefault(entry.name, Wanted(entry, None))
            if entry.operator:
                one.bounds.append((entry.operator, entry.version, entry))
            if entry.place:
                place = self.place(entry.place)
                if one.pinned not in (None, place):
                    raise Refused(f"{one.entry.shown}; {entry.shown}: it can only come from one repository")
                one.pinned = one.repository = place
        for name in KERNEL:
            if name in self.installed:
                found.setdefault(name, Wanted(None, None))
        queue = list(found)
        for name in queue:
            package, one = self.chosen.get(name), found[name]
            for needed, operator, bound in package.needs() if package else ():
                if needed == "R":
                    continue
                if needed not in found:
                    queue.append(needed)
                other = found.setdefault(needed, Wanted(one.entry, package.source and package.source.repository))
                other.entry = other.entry or one.entry
                if operator:
                    other.bounds.append((operator, bound, package))
        return found

    def solve(self):
        """Packages by name. Refused, with all that is wrong."""
        for _ in range(ROUNDS):
            wanted, chosen, wrong = self.wanted(), {}, []
            for name, one in wanted.items():
                try:
                    chosen[name] = self.pick(name, one)
                except Refused as refused:      # maybe not for long: who asks for it may be another one in the next round
                    wrong.append(f"{self.where(one, wanted)}: {refused}")
            same = {name: package.version for name, package in chosen.items()} == {name: package.version for name, package in self.chosen.items()}
            self.chosen = chosen
            if same:
                break
        else:
            raise Refused("; ".join(entry.shown for entry in self.entries[:4]) + ": no versions can be found that fit together")
        if wrong:
            raise Refused("; ".join(wrong[:4]) + (f" (and {len(wrong) - 4} more)" if len(wrong) > 4 else ""))
        return self.chosen

    # ---- one package

    def pick(self, name, one):
        if name in dcf.BASE:
            package = Installed({"Package": name, "Version": self.r_version})
            if not one.allows(package.version):
                raise Refused(f"{self.asked(name, one)}, and {name} is a part of R {self.r_version}")
            return package
        if self.locked is not None and name in self.locked:
            return self.check(self.of_lock(name), one)
        there = self.installed.get(name)
        if there and not one.pinned and one.allows(there["Version"]):
            return Installed(there)
        if self.locked is not None and one.entry:
            raise Refused(f"the lock lacks {name}" + (f", and the {there['Version']} that is installed here does not do" if there else ""))
        places = [one.pinned] if one.pinned else list(dict.fromkeys([*([one.repository] if one.repository else []), *self.listed]))
        for repository in places:
            if name in repository.index() or repository.archived(name):
                return self.newest(name, one, repository)
        where = ", ".join(repository.shown for repository in places) or "nowhere, as R has no repositories here: name some"
        needed = "" if one.entry and one.entry.name == name else f"{name} is needed, and "
        raise Refused(f"{needed}there is no package {name} in {where}" + (f" ({self.asked(name, one)}; {there['Version']} is installed)" if there and one.bounds else ""))

    def of_lock(self, name):
        if name not in self.sources:
            self.sources[name] = self.locked[name]()
        return self.sources[name]

    def check(self, package, one):
        if not one.allows(package.version):
            raise Refused(f"{self.asked(package.name, one)}, and the lock has {package.version}")
        return package

    def newest(self, name, one, repository):
        records = sorted(repository.index().get(name, []), key=lambda record: dcf.version(record["Version"]), reverse=True)
        for record in records:
            if one.allows(record["Version"]) and dcf.runs_with(record, self.r_version):
                return self.take(name, record["Version"], repository, record)
        exact = [bound for operator, bound, _ in one.bounds if operator in ("==", "=")]
        versions = {*repository.archived(name), *exact} - {record["Version"] for record in records}
        older = [version for version in sorted(versions, key=dcf.version, reverse=True) if one.allows(version)]
        for version in older[:TRIES]:
            with contextlib.suppress(Missing):
                package = self.take(name, version, repository, None)
                if dcf.runs_with(package.source.record, self.r_version):
                    return package
        raise Refused(self.why_not(name, one, repository, records))

    def take(self, name, version, repository, record):
        key = name, version, repository
        if key not in self.sources:
            try:
                self.sources[key] = Chosen(name, repository.fetch(name, version, record))
            except Missing:
                if record:
                    raise Refused(f"{repository.shown} lists {name} {version}, and does not have it") from None
                raise
        return self.sources[key]

    # ---- complaints

    @staticmethod
    def where(one, wanted):
        """The entries that it is about."""
        entries = [one.entry] + [who if isinstance(who, Entry) else wanted[who.name].entry for _, _, who in one.bounds]
        return "; ".join(dict.fromkeys(entry.shown if entry else "the kernel of R" for entry in entries if entry or not one.entry))

    @staticmethod
    def asked(name, one):
        """Who wants what of it."""
        said = [f"{name} {operator} {bound} is asked for" if isinstance(who, Entry) else f"{who.name} {who.version} needs {name} ({operator} {bound})"
                for operator, bound, who in one.bounds]
        return ", ".join(dict.fromkeys(said)) or f"{name} is asked for"

    def why_not(self, name, one, repository, records):
        have = [record["Version"] for record in records] + repository.archived(name)
        newest = max(have, key=dcf.version, default=None)
        fitting = [version for version in have if one.allows(version)]
        if fitting:
            return f"{self.asked(name, one)}, and no such version runs with R {self.r_version}"
        exact = [bound for operator, bound, _ in one.bounds if operator in ("==", "=")]
        alone = [] if exact and not any(map(one.allows, exact)) and len(one.bounds) > 1 else [bound for bound in one.bounds if not any(dcf.fits(version, *bound[:2]) for version in have)]
        if len(one.bounds) > 1 and not alone:
            return f"{self.asked(name, one)}: no version of {name} is all of that"
        return f"{self.asked(name, one)}, and {repository.shown} has no such version (the newest is {newest})"
