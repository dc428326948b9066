"""Source archives of packages, whose authors are strangers: looked into within bounds, and nothing of them is run or written. For the runners' environment.py and library.py."""
import tarfile
import zlib

from making import Refused, plain

UNPACKED_MAX = 4 << 30
MEMBERS_MAX = 200_000
TEXT_MAX = 1 << 20          # of a file that is read here


def files(path, what, wrong, wanted):
    """The name of each plain file in it, with its text if it is wanted (name), else None. what, and what is wrong with it if it can not be read: for who is told."""
    size = members = 0
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                members += 1
                size += member.size
                if size > UNPACKED_MAX or members > MEMBERS_MAX:
                    raise Refused(f"{what} is too large: {members} files, {size >> 20} MiB")
                if member.isfile():
                    yield member.name, archive.extractfile(member).read(TEXT_MAX).decode("utf-8", "replace") if wanted(member.name) else None
                archive.members = []
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise Refused(f"{what} {wrong}: {plain(str(error))}") from None
