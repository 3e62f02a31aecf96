"""Compares closures, one a line, and fails on differences that no row of the document explains."""

import sys


def closure(line):
    return None if line.startswith("error") else dict(word.split("=", 1) for word in line.split())


def only_in(one, other):
    """Returns what one closure has and the other has not; a refusal has `error`."""
    if one is None or other is None:
        return {"error"} if one is None else set()
    return {f"{name}={version}" for name, version in one.items() - other.items()}


def explained(document):
    """Reads the rows `| set | only apt | only Flagstone | reason |`."""
    rows = {}
    for line in open(document):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 4 and cells[0].startswith("`"):
            words = [frozenset(cell.replace("`", "").split()) for cell in cells[1:3]]
            rows[cells[0].strip("`")] = words
    return rows


sets, ours, theirs = ([line.strip() for line in open(path)] for path in sys.argv[1:4])
assert len(sets) == len(ours) == len(theirs), (len(sets), len(ours), len(theirs))
rows = explained(sys.argv[4])
suffix = " --recommends" if len(sys.argv) > 5 else ""
same, different, failed = 0, 0, False
for name, our, their in zip(sets, ours, theirs):
    mine, apt = closure(our), closure(their)
    if mine == apt:
        same += 1
        continue
    different += 1
    only_apt, only_ours = only_in(apt, mine), only_in(mine, apt)
    names = [frozenset(word.split("=")[0] for word in words) for words in (only_apt, only_ours)]
    if rows.get(name + suffix) == names:
        continue
    failed = True
    print(f"{name}: only apt: {' '.join(sorted(only_apt)) or '-'}; "
          f"only Flagstone: {' '.join(sorted(only_ours)) or '-'}")
    if mine is None:
        print(f"    {our}")
print(f"{same + different} sets: {same} equal, {different} differ{'' if failed else ' as documented'}")
sys.exit(failed)
