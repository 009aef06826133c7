"""The schema is documented in docs and in the metadata of every Parquet file."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from manifests.dataset.layout import FOLDER_TABLES, Layout
from manifests.dataset.schema import TABLES
from manifests.dataset.schema_page import examples, markdown
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "manifests.md"
DATASET = ("clips", *FOLDER_TABLES)


def test_the_schema_page_in_docs_is_up_to_date() -> None:
    assert PAGE.read_text() == markdown(), "python -m manifests schema --markdown > docs/manifests.md"


@pytest.mark.parametrize("table", DATASET)
def test_every_column_has_an_example_and_a_description(table: str) -> None:
    assert set(examples()[table]) == {column.name for column in TABLES[table]}
    assert all(column.meaning for column in TABLES[table])


def test_files_carry_units_and_descriptions(tiny: Path) -> None:
    layout = Layout(tiny)
    for table in DATASET:
        columns = TABLES[table]
        path = layout.clip_tables()[0] if table == "clips" else layout.table(table)
        schema = pq.read_schema(path)
        assert schema.metadata[b"triptych_table"] == table.encode()
        for column in columns:
            metadata = schema.field(column.name).metadata
            assert metadata[b"description"].decode() == column.meaning
            assert metadata[b"unit"].decode() == column.unit
