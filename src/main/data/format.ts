// What a file format is: how it is recognised, read and written. One folder each; registry.ts lists them.

import type { Allocator, ByteMatrix, Matrix } from '../memory/tensor.js';
import type { WriteOptions } from '../outputs/write-atomically.js';
import type { DataFile } from './data-file.js';
import type { StoredElements, StoredType } from './elements.js';
import type { CsvOptions } from './read-options.js';

/** Rows of features: bytes where the file holds bytes, float32 elsewhere. */
export type FeatureMatrix = Matrix | ByteMatrix;

/** Of a file of several arrays: which were taken, and the others with their types and dims. */
export interface ChosenArrays {
  readonly features: readonly string[];
  readonly labels?: string;
  readonly others: readonly string[];
}

/** Rows of a file, and what else the format says of them. */
export interface MatrixContent<Rows extends FeatureMatrix = Matrix> {
  /** dims [rows, features]; values as stored, not scaled. */
  readonly matrix: Rows;
  /** The type in the file. */
  readonly elementType?: StoredType;
  /** The dimensions after the first, which were flattened: [28, 28] for 28 × 28 images, [] for one column. */
  readonly featureDims?: readonly number[];
  /** Present when a label column was asked for, or where the format brings labels. */
  readonly targets?: Int32Array;
  /** Class c is called classNames[c]; present together with `targets`. */
  readonly classNames?: string[];
  /** [rows]: what the id column says, as text. Present when one was asked for. */
  readonly ids?: string[];
  /** What the file calls it; present with `ids` where the file has names. */
  readonly idName?: string;
  /** Whether line 1 was taken for names. */
  readonly header?: boolean;
  /** Present where that is uncertain: line 1 counts 0, 1, 2, …, or has the numbers that `featureNames` asks for. */
  readonly headerIsGuess?: true;
  /** Present when the file has names for its columns. */
  readonly featureNames?: string[];
  readonly arrays?: ChosenArrays;
  /** Columns left out unasked: of text, without a name, or of other names than `featureNames` has. Present where there are any. */
  readonly unusedColumns?: string[];
}

/** Labels of a file: class indices, or codes of names where the file has names. */
export interface LabelContent {
  readonly targets: Int32Array;
  readonly classNames?: string[];
  /** Whether line 1 was taken for a name. */
  readonly header?: boolean;
  /** Present where that is uncertain: line 1 is 0, as pandas calls a column without a name. */
  readonly headerIsGuess?: true;
}

/** Rows that lie in a file one after the other, uncompressed and in C order. */
export interface StoredRows {
  readonly elements: StoredElements;
  /** One or more; the first counts the rows, the others are flattened to features. */
  readonly dims: readonly number[];
  /** Of the first value, in bytes from the beginning of the file. */
  readonly offset: number;
  readonly arrays?: ChosenArrays;
}

export type FormatName =
  | 'idx'
  | 'npy'
  | 'npz'
  | 'safetensors'
  | 'svmlight'
  | 'parquet'
  | 'arrow'
  | 'jsonl'
  | 'csv'
  | (string & {});

export interface FileFormat {
  /** What `format` of results says: 'npy'. */
  readonly name: FormatName;
  /** For messages: '.npy'. */
  readonly title: string;
  /** Ends of file names; a writer is chosen by them, a reader by the content. */
  readonly extensions: readonly string[];
  /** The options of readCsv that it takes; readers refuse the others. */
  readonly options: readonly (keyof CsvOptions)[];
  /** Whether rows may come with labels though no label column is asked for; `skipLabels` leaves them out. */
  readonly bringsLabels?: boolean;
  /** Whether a file whose content begins so is of this format. `head` has up to 4,096 bytes, uncompressed; `path` may settle what is open. */
  matches(head: Uint8Array, path?: string): boolean;
  /** Fills a matrix of the allocator's, and frees it where the file is not as it should be. */
  readMatrix(file: DataFile, allocator: Allocator, options: CsvOptions): Promise<MatrixContent>;
  /** As readMatrix, but bytes stay bytes. Without it, readMatrix serves. */
  readFeatures?(
    file: DataFile,
    allocator: Allocator,
    options: CsvOptions,
  ): Promise<MatrixContent<FeatureMatrix>>;
  readLabels(file: DataFile, options: CsvOptions): Promise<LabelContent>;
  /** Where the rows of features are, of a file that is not compressed; undefined where they do not lie like this. */
  locateRows?(file: DataFile, options: CsvOptions): Promise<StoredRows | undefined>;
  /** For formats of arrays. */
  writeArray?(path: string, content: ArrayContent, options?: WriteOptions): Promise<void>;
  /** For formats of tables. */
  writeRecords?(path: string, records: TableRecords, options?: WriteOptions): Promise<void>;
}

export interface ArrayContent {
  readonly dims: readonly number[];
  /** In C order. */
  readonly data: Float32Array | Float64Array | Int32Array;
}

export type TableRecords =
  | Iterable<readonly (string | number)[]>
  | AsyncIterable<readonly (string | number)[]>;
