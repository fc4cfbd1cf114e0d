// What a table is to its writers.

export const TABLE_FORMATS = ['csv', 'tsv', 'jsonl', 'parquet'] as const;
export type TableFormat = (typeof TABLE_FORMATS)[number];

export const COLUMN_TYPES = ['string', 'int32', 'float32', 'float64'] as const;
export type ColumnType = (typeof COLUMN_TYPES)[number];

export interface TableColumn {
  readonly name: string;
  /** Parquet's types; float32 has the shortest decimals that read back as it in text. */
  readonly type: ColumnType;
}

/** Null: no value. NaN is a number: no value in text, where JSON has none and CSV readers disagree. */
export type TableCell = string | number | null;

export type RowsOf<Row> = Iterable<Row> | AsyncIterable<Row>;

export interface Table {
  readonly columns: readonly TableColumn[];
  /** A cell for each column. */
  readonly records: RowsOf<readonly TableCell[]>;
  /** What JSON lines hold instead of an object of the columns: may be nested. Numbers that are not finite become null. */
  readonly objects?: RowsOf<object> | undefined;
}
