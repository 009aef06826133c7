"""Datasets at a URL: the same answers over a real S3 API on localhost as from the folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from manifests.layout import Layout
from manifests.storage import location, read_range
from tests import rendered

s3fs = pytest.importorskip("s3fs")
moto_server = pytest.importorskip("moto.server")
# One server, shared by the tests of this file.
pytestmark = pytest.mark.xdist_group("s3")

BUCKET = "triptych-data"


@pytest.fixture(scope="module")
def bucket(tiny: Path) -> Iterator[str]:
    """A bucket with the tiny dataset, a copy with a flipped byte, and one without audio."""
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
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
        yield f"s3://{BUCKET}/sets"
    server.stop()


@pytest.mark.parametrize("tier", ["", "--hash", "--deep"])
def test_a_good_dataset_passes_over_s3_too(tiny: Path, bucket: str, tier: str) -> None:
    options = ["--json", *([tier] if tier else [])]
    there = json.loads(rendered.succeed("manifests", "audit", f"{bucket}/tiny", *options))
    assert there["passed"]
    assert there == json.loads(rendered.succeed("manifests", "audit", tiny, *options))


def test_the_page_over_s3_is_that_of_the_folder(tiny: Path, bucket: str, tmp_path: Path) -> None:
    for name, source in (("there.html", f"{bucket}/tiny"), ("here.html", tiny)):
        rendered.succeed("manifests", "audit", source, "--html", tmp_path / name)
    assert (tmp_path / "there.html").read_bytes() == (tmp_path / "here.html").read_bytes()
    assert b"<audio" in (tmp_path / "there.html").read_bytes()


def test_a_flipped_byte_is_found_over_s3(bucket: str) -> None:
    done = rendered.command("manifests", "audit", f"{bucket}/flipped", "--hash", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)["findings"]
    assert [(f["check"], f["where"]) for f in found] == [("hash", "shards/train/shard-000000.tar")]


def test_show_query_fetch_and_diff_over_s3(tiny: Path, bucket: str, tmp_path: Path) -> None:
    there = f"{bucket}/tiny"
    assert "test_unseen_all" in rendered.succeed("manifests", "show", there)
    sql = (
        "SELECT split, synth, count(*) AS n FROM clips JOIN timbres USING (timbre) GROUP BY ALL ORDER BY ALL"
    )
    assert rendered.succeed("manifests", "query", there, sql) == rendered.succeed(
        "manifests", "query", tiny, sql
    )
    for name, source in (("local", str(tiny)), ("remote", there)):
        where = "split = 'validation' AND timbre = (SELECT min(timbre) FROM clips WHERE split = 'validation')"
        rendered.succeed("manifests", "fetch", source, "--where", where, "--out", tmp_path / name)
    assert rendered.contents(tmp_path / "local") == rendered.contents(tmp_path / "remote")
    copy = shutil.copytree(tiny, tmp_path / "copy", ignore=shutil.ignore_patterns(".work", "shards"))
    rendered.succeed("manifests", "diff", there, copy)


def test_a_range_is_read_and_nothing_else(tiny: Path, bucket: str) -> None:
    shard = "shards/train/shard-000000.tar"
    there = Layout(location(f"{bucket}/tiny")).inside(shard)
    assert read_range(there, 700, 900) == (tiny / shard).read_bytes()[700:1600]


@pytest.mark.parametrize(
    ("url", "said"),
    [("s3://triptych-data/sets/nothing", "no dataset.json there"), ("nonsense://x/y", "cannot be opened")],
)
def test_a_url_without_a_dataset_gives_one_line(bucket: str, url: str, said: str) -> None:
    done = rendered.command("manifests", "audit", url)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_dataset_is_rendered_straight_to_s3_and_resumed_there(
    tiny: Path, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    there = f"{bucket}/made"
    rendered.succeed("render", "make", rendered.write_config(tmp_path), "--out", there, "--workers", "2")
    files = s3fs.S3FileSystem(use_listings_cache=False)
    # A commit that was lost, and a torn tar that no table names.
    files.rm(f"{there}/clips/train/shard-000000.parquet")
    files.pipe_file(f"{there}/shards/train/shard-000000.tar", b"torn")
    rendered.succeed("render", "run", there)
    files.get(there, str(tmp_path / "fetched"), recursive=True)
    assert rendered.contents(tmp_path / "fetched") == rendered.contents(tiny)


def test_a_refused_upload_ends_in_one_line(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    there = "s3://no-such-bucket-here/made"
    done = rendered.command("render", "make", rendered.write_config(tmp_path), "--out", there)
    assert done.returncode == 1
    assert "the upload was refused" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
