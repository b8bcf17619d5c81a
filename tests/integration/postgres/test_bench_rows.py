"""The table that the benchmark fills is one that the operator can work with: what it puts there it finds again."""

from __future__ import annotations

import pytest

from bench import rows
from support.postgres import PostgresServer

pytestmark = pytest.mark.postgres


async def test_a_table_grows_by_rows_of_which_each_execution_has_the_same(postgres: PostgresServer) -> None:
    first, second = await rows.measure(postgres, counts=(1000, 3000), times=5)
    assert (first.rows, second.rows) == (1000, 3000)
    assert {spread.count for point in (first, second) for spread in (point.put, point.get, point.list)} == {5}
    assert 0 < first.table_megabytes < second.table_megabytes
    assert 0 < first.index_megabytes < second.index_megabytes
