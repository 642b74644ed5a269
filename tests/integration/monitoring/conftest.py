from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.buckets import BUCKET, Storage, storage
from tests.support.isolation import isolation


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    with isolation(tmp_path_factory.mktemp("home")), storage() as made:
        yield made


@pytest.fixture
def bucket(server: Storage, tmp_path: Path) -> Iterator[Storage]:
    """The server, its bucket empty, its keys in the environment."""
    client = server.client()
    for name in server.objects():
        client.delete_object(Bucket=BUCKET, Key=name)
    for one in client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", ()):
        client.abort_multipart_upload(Bucket=BUCKET, Key=one["Key"], UploadId=one["UploadId"])
    server.cut = server.hang = None
    server.asked.clear()
    with isolation(tmp_path / "home") as patch:
        for name, value in server.env.items():
            patch.setenv(name, value)
        yield server
    server.cut = server.hang = None
