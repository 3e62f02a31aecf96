"""Reads repositories with the reference implementation of TUF, and makes one with it.

judge.py get FOLDER ROOT CACHE TARGET OUT: downloads a target as a client that starts from ROOT.
judge.py make FOLDER: makes a repository with a channel file, and the one that comes after it in FOLDER/next.
"""

import datetime
import pathlib
import shutil
import sys

from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.exceptions import DownloadHTTPError, RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.ngclient import Updater
from tuf.ngclient.fetcher import FetcherInterface


class FolderFetcher(FetcherInterface):
    """Reads `file:` URLs, and says "not found" as a web server does."""

    def _fetch(self, url):
        try:
            yield pathlib.Path(url.removeprefix("file://")).read_bytes()
        except FileNotFoundError as error:
            raise DownloadHTTPError("not found", 404) from error


def get(folder, root, cache, target, out):
    base = f"file://{pathlib.Path(folder).absolute()}"
    # The root is a machine's own each time: what it has seen is in the cache.
    updater = Updater(
        metadata_dir=cache,
        metadata_base_url=f"{base}/metadata/",
        target_base_url=f"{base}/targets/",
        fetcher=FolderFetcher(),
        bootstrap=pathlib.Path(root).read_bytes(),
    )
    updater.refresh()
    info = updater.get_targetinfo(target)
    if info is None:
        sys.exit("there is no such target")
    updater.download_target(info, out)


def write(folder, name, metadata, signer):
    metadata.sign(signer)
    metadata.to_file(str(folder / name))


def make(folder):
    folder = pathlib.Path(folder)
    for below in ["metadata", "targets/channels/stable"]:
        (folder / below).mkdir(parents=True)
    signer = CryptoSigner.generate_ed25519()
    expires = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(days=2)
    root = Root(version=1, expires=expires, consistent_snapshot=True)
    for role in ["root", "targets", "snapshot", "timestamp"]:
        root.add_key(signer.public_key, role)
    # A key of a kind that a client may not know.
    root.add_key(SSlibKey("other", "unknown", "unknown", {"public": "é\"\\\n"}), "timestamp")
    write(folder / "metadata", "1.root.json", Metadata(root), signer)

    text = (
        '{"format":1,"channel":"stable","id":"a","architecture":"arm64","version":"1","payload":"a_1_arm64.payload",'
        f'"root_hash":"{"0" * 64}","deltas":[],"published":"2026-01-01T00:00:00Z","waves":[]}}'
    ).encode()
    name = "channels/stable/a_arm64.json"
    targets = Targets(expires=expires)
    targets.targets[name] = TargetFile.from_data(name, text, ["sha256"])
    targets.targets["a_1_arm64.payload"] = TargetFile.from_data("a_1_arm64.payload", b"hello", ["sha256", "sha512"])
    for path in targets.targets[name].get_prefixed_paths():
        (folder / "targets" / path).write_bytes(text)
    for version in [1, 2]:
        if version == 2:
            shutil.copytree(folder, folder / "next")
            folder = folder / "next"
            # Length and digest of metadata may be left out.
        targets.version = version
        write(folder / "metadata", f"{version}.targets.json", Metadata(targets), signer)
        snapshot = Snapshot(version=version, expires=expires, meta={"targets.json": MetaFile(version)})
        write(folder / "metadata", f"{version}.snapshot.json", Metadata(snapshot), signer)
        timestamp = Timestamp(version=version, expires=expires, snapshot_meta=MetaFile(version))
        write(folder / "metadata", "timestamp.json", Metadata(timestamp), signer)


if __name__ == "__main__":
    try:
        {"get": get, "make": make}[sys.argv[1]](*sys.argv[2:])
    except RepositoryError as error:
        sys.exit(f"{type(error).__name__}: {error}")
