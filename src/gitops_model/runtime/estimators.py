"""scikit-learn estimators to skops bytes and back: no pickle, and the same bytes for the same estimator."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Collection
from typing import Any

import skops.io

from gitops_model.errors import BadArtifact

# What scikit-learn's own trees need and skops asks about. They run no code; but a damaged tree can crash the process
# that predicts with it, which is one more reason to judge in a process without secrets.
TREES = frozenset({"numpy.dtype", "sklearn.tree._tree.Tree"})
# skops files are zip files, and a zip may unpack to a thousand times its size.
MOST_UNPACKED = 4 * 1024**3


def dump(estimator: Any) -> bytes:
    """skops bytes of a fitted estimator that do not depend on the day or on memory addresses."""
    packed = skops.io.dumps(estimator)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        text = archive.read("schema.json").decode()
        # skops names objects by id(), and files of bytes at random; they are renamed by the order in which they appear.
        found = re.findall(r'"__id__": (\d+)|"file": "([0-9a-f-]+)\.', text)
        order = {
            number: str(place)
            for place, number in enumerate(dict.fromkeys(a or b for a, b in found))
        }
        text = re.sub(r'"__id__": (\d+)', lambda m: f'"__id__": {order[m[1]]}', text)
        text = re.sub(r'"file": "([0-9a-f-]+)\.', lambda m: f'"file": "{order[m[1]]}.', text)
        members = {"schema.json": text.encode()}
        for info in archive.infolist():
            stem, dot, ending = info.filename.partition(".")
            if info.filename != "schema.json":
                members[f"{order[stem]}{dot}{ending}"] = archive.read(info)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(info, members[name], zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def load(data: bytes, *, trusted: Collection[str], file: str = "params.yaml") -> Any:
    """The estimator in skops bytes. Raises BadArtifact when it needs a type that nobody vouched for.

    skops calls what a file names, so a type is code. It loads those it knows itself, TREES, and `trusted`: the list
    `trusted_types` of `file`, a file of the one who loads, never of who made the bytes.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(info.file_size for info in archive.infolist())
    except (zipfile.BadZipFile, ValueError) as error:
        raise BadArtifact(f"model.skops is not a skops file ({error}).", reason="load") from None
    if size > MOST_UNPACKED:
        raise BadArtifact(f"model.skops unpacks to {size:,} bytes.", reason="load")
    unknown = sorted(untrusted(data) - TREES - set(trusted))
    if unknown:
        names, more = ", ".join(name[:100] for name in unknown[:10]), len(unknown) - 10
        raise BadArtifact(
            f"the estimator needs the types {names}{f' and {more} more' if more > 0 else ''}, which nobody vouched "
            f"for. If they are yours, add them to trusted_types in {file}.",
            reason="load",
        )
    return skops.io.loads(data, trusted=sorted({*TREES, *trusted}))


def untrusted(data: bytes) -> set[str]:
    """Types in skops bytes that skops does not know itself."""
    return set(skops.io.get_untrusted_types(data=data))
