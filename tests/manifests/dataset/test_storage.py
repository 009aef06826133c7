"""Datasets in object stores: a real S3 API on localhost gives the same results as the folder."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from manifests import Dataset
from manifests.dataset.layout import Layout
from manifests.dataset.storage import location, read_range
from render.clips.shard import shard_note
from tests.support import commands, datasets

s3fs = pytest.importorskip("s3fs")
pytest.importorskip("moto.server")
# One server, shared by the tests of this file.
pytestmark = pytest.mark.xdist_group("s3")

BUCKET = "triptych-data"


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    from tests.support.s3_server import S3Server

    server = S3Server()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def bucket(tiny: Path, server: Any) -> Iterator[str]:
    """Fills a bucket with the tiny dataset, a copy with a flipped byte, and one without audio."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environment.setenv("AWS_ENDPOINT_URL", server.url)
        files = s3fs.S3FileSystem()
        files.mkdir(BUCKET)
        for path in sorted(tiny.rglob("*")):
            name = path.relative_to(tiny)
            if path.is_file() and name.parts[0] != ".work":
                data = path.read_bytes()
                files.pipe_file(f"{BUCKET}/sets/tiny/{name}", data)
                if str(name) == "shards/train/shard-000000.tar":
                    data = data[:5000] + bytes([data[5000] ^ 1]) + data[5001:]
                files.pipe_file(f"{BUCKET}/sets/flipped/{name}", data)
        # Litter and the markers of folders that S3 consoles create are no part of a dataset.
        for key in (
            "tiny/clips/",
            "tiny/",
            "tiny/clips/.DS_Store",
            "tiny/shards/train/._x",
            "tiny/clips_$folder$",
        ):
            files.call_s3("put_object", Bucket=BUCKET, Key=f"sets/{key}", Body=b"")
        yield f"s3://{BUCKET}/sets"


@pytest.mark.parametrize("tier", ["", "--hash", "--deep"])
def test_a_good_dataset_passes_over_s3(tiny: Path, bucket: str, tier: str) -> None:
    options = ["--json", *([tier] if tier else [])]
    there = json.loads(commands.succeed("manifests", "audit", f"{bucket}/tiny", *options))
    assert there["passed"]
    assert there == json.loads(commands.succeed("manifests", "audit", tiny, *options))


def test_the_audit_page_over_s3_equals_that_of_the_folder(tiny: Path, bucket: str, tmp_path: Path) -> None:
    for name, source in (("there.html", f"{bucket}/tiny"), ("here.html", tiny)):
        commands.succeed("manifests", "audit", source, "--html", tmp_path / name)
    assert (tmp_path / "there.html").read_bytes() == (tmp_path / "here.html").read_bytes()
    assert b"<audio" in (tmp_path / "there.html").read_bytes()


def test_a_flipped_byte_is_found_over_s3(bucket: str) -> None:
    done = commands.run("manifests", "audit", f"{bucket}/flipped", "--hash", "--json")
    assert done.returncode == 1
    findings = json.loads(done.stdout)["findings"]
    assert [(f["check"], f["where"]) for f in findings] == [("hash", "shards/train/shard-000000.tar")]


def test_show_query_fetch_and_diff_over_s3(tiny: Path, bucket: str, tmp_path: Path) -> None:
    there = f"{bucket}/tiny"
    assert "test_unseen_all" in commands.succeed("manifests", "show", there)
    sql = (
        "SELECT split, synth, count(*) AS n FROM clips JOIN timbres USING (timbre) GROUP BY ALL ORDER BY ALL"
    )
    assert commands.succeed("manifests", "query", there, sql) == commands.succeed(
        "manifests", "query", tiny, sql
    )
    for name, source in (("local", str(tiny)), ("remote", there)):
        where = "split = 'validation' AND timbre = (SELECT min(timbre) FROM clips WHERE split = 'validation')"
        commands.succeed("manifests", "fetch", source, "--where", where, "--out", tmp_path / name)
    assert datasets.file_hashes(tmp_path / "local") == datasets.file_hashes(tmp_path / "remote")
    copy = shutil.copytree(tiny, tmp_path / "copy", ignore=shutil.ignore_patterns(".work", "shards"))
    commands.succeed("manifests", "diff", there, copy)


def test_only_the_requested_byte_range_is_read(tiny: Path, bucket: str) -> None:
    shard = "shards/train/shard-000000.tar"
    there = Layout(location(f"{bucket}/tiny")).inside(shard)
    assert read_range(there, 700, 900) == (tiny / shard).read_bytes()[700:1600]


@pytest.mark.parametrize(
    ("url", "message"),
    [("s3://triptych-data/sets/nothing", "no dataset.json there"), ("nonsense://x/y", "cannot be opened")],
)
def test_a_url_without_a_dataset_gives_a_one_line_error(bucket: str, url: str, message: str) -> None:
    done = commands.run("manifests", "audit", url)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def whole_shards(root: str) -> tuple[set[str], set[str]]:
    """Returns the committed shards with their tars, and the tars that no clip table commits."""
    files = s3fs.S3FileSystem(use_listings_cache=False)
    layout = Layout(location(root))
    tars = {
        name.removeprefix(root.removeprefix("s3://") + "/"): name for name in files.find(f"{root}/shards")
    }
    committed = layout.committed()
    for shard in committed:
        with files.open(str(layout.clip_table(shard))) as table:
            note = shard_note(pq.read_schema(table).metadata)
        assert hashlib.sha256(files.cat_file(tars[shard])).hexdigest() == note["sha256"]
    return committed, set(tars) - committed


def test_rendering_to_s3_survives_failed_uploads_and_resumes(
    tiny: Path, bucket: str, server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    there = f"{bucket}/made"
    tried: dict[str, int] = {}

    def spoil(path: str) -> str | None:
        # A store that is slow on each file, and refuses one shard and one shard's table.
        tried[path] = tried.get(path, 0) + 1
        if path.endswith(("shards/validation/shard-000000.tar", "clips/train/shard-000001.parquet")):
            return "403 Forbidden"
        return "503 Slow Down" if tried[path] == 1 and "/shards/" in path else None

    monkeypatch.setattr(server, "fault", spoil)
    done = commands.run("render", "make", datasets.write_config(tmp_path), "--out", there)
    assert done.returncode == 1
    assert "the upload was refused" in done.stderr.splitlines()[-1]
    state = json.loads(commands.succeed("render", "status", there, "--json"))
    assert state["stage"] == "rendering"
    assert len(state["failed_shards"]) == 1
    committed, loose = whole_shards(there)
    assert state["total"]["shards_done"] == len(committed)
    assert loose <= {"shards/train/shard-000001.tar"}
    monkeypatch.setattr(server, "fault", lambda path: None)
    files = s3fs.S3FileSystem(use_listings_cache=False)
    # A truncated tar that no table names, as only a store without conditional writes could leave.
    files.pipe_file(f"{there}/shards/validation/shard-000000.tar", b"torn")
    commands.succeed("render", "run", there, "--workers", "2")
    assert whole_shards(there)[1] == set()
    commands.succeed("manifests", "audit", there, "--hash")
    assert json.loads(commands.succeed("render", "status", there, "--json"))["stage"] == "done"
    files.get(there, str(tmp_path / "fetched"), recursive=True)
    assert datasets.file_hashes(tmp_path / "fetched") == datasets.file_hashes(tiny)


def test_a_refused_upload_gives_a_one_line_error(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    there = "s3://no-such-bucket-here/made"
    done = commands.run("render", "make", datasets.write_config(tmp_path), "--out", there)
    assert done.returncode == 1
    assert "the upload was refused" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_dataset_is_iterated_over_s3_as_from_the_folder(tiny: Path, bucket: str) -> None:
    there, here = Dataset(f"{bucket}/tiny"), Dataset(tiny)
    assert len(there) == len(here)
    for ours, theirs in zip(here.triplets("validation"), there.triplets("validation"), strict=True):
        assert ours.target.id == theirs.target.id
        assert (ours.source.pcm == theirs.source.pcm).all()
