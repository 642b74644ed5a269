"""scikit-learn estimators to skops bytes and back: no pickle, and the same bytes for the same estimator."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Collection
from typing import Any

import skops.io

from gitops_model.errors import BadArtifact

# What scikit-learn's own trees need and skops asks about: their loader can crash on hostile bytes, so they are
# opened only from bytes whose sha256 was checked, or that this very pipeline wrote.
TREES = frozenset({"numpy.dtype", "sklearn.tree._tree.Tree"})


def dump(estimator: Any) -> bytes:
    """skops bytes of a fitted estimator that do not depend on the day or on memory addresses."""
    packed = skops.io.dumps(estimator)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        text = archive.read("schema.json").decode()
        # skops names objects by id(); they are renamed by the order in which they appear.
        found = re.findall(r'"__id__": (\d+)|"file": "(\d+)\.', text)
        order = {
            number: str(place)
            for place, number in enumerate(dict.fromkeys(a or b for a, b in found))
        }
        text = re.sub(r'"__id__": (\d+)', lambda m: f'"__id__": {order[m[1]]}', text)
        text = re.sub(r'"file": "(\d+)\.', lambda m: f'"file": "{order[m[1]]}.', text)
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


def load(data: bytes, *, trusted: Collection[str] = TREES) -> Any:
    """The estimator in skops bytes. Raises BadArtifact when it wants a type that is neither known nor `trusted`."""
    unknown = untrusted(data) - set(trusted)
    if unknown:
        raise BadArtifact(
            f"the estimator contains types that nobody vouched for: {', '.join(sorted(unknown))}. "
            "If they are yours, add them to model.trusted_types in params.yaml.",
            reason="load",
        )
    return skops.io.loads(data, trusted=sorted(trusted))


def untrusted(data: bytes) -> set[str]:
    """Types in skops bytes that skops does not trust by itself."""
    return set(skops.io.get_untrusted_types(data=data))
