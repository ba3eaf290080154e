"""The list of a store's images for other programs: the index, and where in the shards each image is.

`data_manifests/README.md` says what the columns mean. Rows are copied in batches, so memory does not grow with them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medtrimix.config.files import replacing
from medtrimix.data.store import ArrayStore, index_file


def write_manifest(store: ArrayStore, *, parquet: Path, table: Path) -> None:
    """Writes the columns of the index, then `shard` and `row`, as `parquet` and as CSV in `table` (gaps are empty)."""
    import pyarrow as pa
    from pyarrow import compute
    from pyarrow.csv import CSVWriter, WriteOptions
    from pyarrow.parquet import ParquetFile, ParquetWriter

    done = 0
    with ParquetFile(index_file(store.folder)) as index:
        schema = index.schema_arrow
        for name in ("shard", "row"):
            schema = schema.append(pa.field(name, pa.int64()))
        with (
            replacing(parquet) as parquet_temporary,
            replacing(table) as table_temporary,
            ParquetWriter(parquet_temporary, schema, compression="zstd") as parquet_file,
            CSVWriter(table_temporary, schema, write_options=WriteOptions(quoting_style="needed")) as csv_file,
        ):
            for batch in index.iter_batches():
                number = np.arange(done, done + len(batch))
                done += len(batch)
                places = [pa.array(number // store.shard_rows), pa.array(number % store.shard_rows)]
                rows = pa.Table.from_arrays([*batch.columns, *places], schema=schema)
                parquet_file.write_table(rows)
                gaps = [
                    compute.if_else(compute.is_nan(column), None, column)
                    if pa.types.is_floating(column.type)
                    else column
                    for column in rows.columns
                ]
                csv_file.write_table(pa.Table.from_arrays(gaps, schema=schema))
