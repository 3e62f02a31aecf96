"""Compares an image with an installation of the same packages by dpkg.

    compare.py INSTALLED.tar USR_FOLDER PARITY.md [extracted]

USR_FOLDER is the image's /usr, mounted or extracted; /etc is taken from its defaults. Prints every difference that no
row of the tables in PARITY.md explains, and fails if there is one. A row is "| kind | pattern |
reason |"; kinds are "only here", "only there", type, link, mode, owner, content and attributes.
"""
import fnmatch
import hashlib
import os
import re
import stat
import sys
import tarfile

TYPES = {
    tarfile.REGTYPE: "file", tarfile.LNKTYPE: "file", tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "link",
}
KINDS = ("only here", "only there", "type", "link", "mode", "owner", "content", "attributes")
CAPABILITY = "security.capability"


def is_dynamic(number):
    """Numbers that depend on the order of installation (Policy 9.2.2)."""
    return 100 <= number < 1000


def fields(line):
    return line.rstrip("\n").split(":")


def account(number):
    return "dynamic" if is_dynamic(int(number)) else number


def canonical(path, data):
    """Returns the part of a file that must be equal; docs/parity.md says what is left out."""
    name = path.removeprefix("etc/")
    if name not in ("passwd", "group", "shadow", "gshadow"):
        return data
    lines = []
    for line in data.decode().splitlines():
        part = fields(line)
        if name == "passwd":
            part[2:4] = map(account, part[2:4])
        elif name == "group":
            part[2] = account(part[2])
        elif name == "shadow":
            # No password opens any of these; the day is that of the installation; 0 and 99999
            # days are no limits.
            part[1] = "none" if part[1] in ("*", "!*", "!") else part[1]
            part[2:6] = [""] * 4
        else:
            part[1] = "none" if part[1] in ("*", "!*", "!") else part[1]
        lines.append(":".join(part))
    return "\n".join(sorted(lines)).encode()


class Entry:
    def __init__(self, kind, mode, uid, gid, data=None, target=None, capability=None, path=""):
        self.kind, self.mode, self.uid, self.gid = kind, mode, uid, gid
        self.target, self.capability = target, capability
        self.digest = data if isinstance(data, str) else data is not None and hashlib.sha256(canonical(path, data)).hexdigest()


def load_installed(path):
    entries, texts = {}, {}
    with tarfile.open(path) as archive:
        for member in archive:
            name = member.name.removeprefix("./").strip("/")
            if not name.startswith(("usr/", "etc/")):
                continue
            data = None
            if member.islnk():
                data = entries[member.linkname.removeprefix("./")].digest
            elif member.isfile():
                data = archive.extractfile(member).read()
                texts[name] = data if name in ("etc/passwd", "etc/group") else None
            capability = member.pax_headers.get("SCHILY.xattr." + CAPABILITY)
            capability = capability and capability.encode("utf-8", "surrogateescape")
            entries[name] = Entry(
                TYPES.get(member.type, "special"), member.mode & 0o7777, member.uid, member.gid,
                data, member.linkname if member.issym() else None, capability, name)
    return entries, texts


def load_image(usr):
    entries, texts = {}, {}
    defaults = os.path.join(usr, "share/flagstone/etc")
    for top, prefix in (usr, "usr"), (defaults, "etc"):
        for folder, folders, files in os.walk(top):
            if top == usr and os.path.join(folder, "etc") == defaults:
                folders.remove("etc")
            for name in folders + files:
                full = os.path.join(folder, name)
                path = os.path.join(prefix, os.path.relpath(full, top))
                info = os.lstat(full)
                link, file = stat.S_ISLNK(info.st_mode), stat.S_ISREG(info.st_mode)
                data = open(full, "rb").read() if file else None
                texts[path] = data if path in ("etc/passwd", "etc/group") else None
                capability = None
                if file and CAPABILITY in os.listxattr(full):
                    capability = os.getxattr(full, CAPABILITY)
                entries[path] = Entry(
                    "link" if link else "file" if file else "directory", stat.S_IMODE(info.st_mode),
                    info.st_uid, info.st_gid, data, os.readlink(full) if link else None, capability, path)
            folders[:] = [name for name in folders if not os.path.islink(os.path.join(folder, name))]
    return entries, texts


def names(texts, file):
    lines = texts[file].decode().splitlines()
    return {int(fields(line)[2]): fields(line)[0] for line in lines}


def differences(there, here, extracted):
    (theirs, their_texts), (ours, our_texts) = there, here
    users = names(their_texts, "etc/passwd"), names(our_texts, "etc/passwd")
    groups = names(their_texts, "etc/group"), names(our_texts, "etc/group")
    for path in sorted(theirs.keys() | ours.keys()):
        a, b = theirs.get(path), ours.get(path)
        if a is None or b is None:
            yield "only here" if a is None else "only there", path, (a or b).kind
        elif a.kind != b.kind:
            yield "type", path, f"{a.kind} there, {b.kind} here"
        elif a.kind == "link":
            if a.target != b.target:
                yield "link", path, f"{a.target} there, {b.target} here"
        else:
            if a.mode != b.mode and not (extracted and a.mode & 0o777 == b.mode & 0o777):
                yield "mode", path, f"{a.mode:04o} there, {b.mode:04o} here"
            owners = [(u.get(e.uid, e.uid), g.get(e.gid, e.gid)) for e, u, g in zip((a, b), users, groups)]
            if owners[0] != owners[1]:
                yield "owner", path, "{} there, {} here".format(*owners)
            if a.digest != b.digest:
                yield "content", path, ""
            if a.capability != b.capability and not extracted:
                yield "attributes", path, f"{a.capability} there, {b.capability} here"


def rules(path):
    for line in open(path):
        row = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(row) == 3 and row[0] in KINDS:
            for pattern in re.findall(r"`([^`]*)`", row[1]):
                yield row[0], pattern.removeprefix("/")


def main(installed, usr, table, extracted=""):
    there, here = load_installed(installed), load_image(usr)
    explained, unexplained, known = 0, 0, list(rules(table))
    for kind, path, detail in differences(there, here, extracted == "extracted"):
        if any(kind == k and fnmatch.fnmatchcase(path, pattern) for k, pattern in known):
            explained += 1
        else:
            unexplained += 1
            print(f"{kind}: /{path} {detail}")
    both = len(there[0].keys() & here[0].keys())
    print(f"{both} paths in both, {explained} explained differences, {unexplained} others")
    sys.exit(unexplained > 0)


main(*sys.argv[1:])
