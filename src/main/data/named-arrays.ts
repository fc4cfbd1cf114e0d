// Formats of several arrays with names, such as .npz and safetensors: features and labels are some of them.

import { quoted } from '../../printable.js';
import { hostMemory } from '../memory/host-memory.js';
import type { Allocator, Matrix } from '../memory/tensor.js';
import { chooseFeatures, chooseLabels, chooseOnlyLabels, listing, type NamedArray } from './array-choice.js';
import type { ByteSource } from './byte-source.js';
import type { DataFile } from './data-file.js';
import { type DenseMatrix, readDenseFeatures, readDenseMatrix, storedRowsAt } from './dense.js';
import { type LabelRemedies, readArrayLabels } from './dense-labels.js';
import { type ArrayLayout, expectValues, isRead, numbersOf } from './dense-layout.js';
import { allocateFor } from './errors.js';
import type { ChosenArrays, FeatureMatrix, FileFormat, LabelContent, MatrixContent } from './format.js';
import type { CsvOptions } from './read-options.js';

interface NamedArraysDescription extends Pick<FileFormat, 'name' | 'title' | 'extensions' | 'matches'> {
  readonly labelRemedies: LabelRemedies;
  /** In the order of the file. */
  list(file: DataFile): Promise<readonly NamedArray[]>;
}

/** For messages about an array. */
export const pathOf = ({ path }: Pick<DataFile, 'path'>, name: string): string =>
  `${path}: array ${quoted(name)}`;

type ReadRows<Rows extends FeatureMatrix> = (
  source: ByteSource,
  allocator: Allocator,
  layout: ArrayLayout,
) => Promise<DenseMatrix<Rows>>;

export function namedArraysFormat({
  list,
  labelRemedies,
  ...description
}: NamedArraysDescription): FileFormat {
  const readLabelsOf = async (array: NamedArray, options: CsvOptions, onProgress?: () => void) =>
    readArrayLabels(await array.open(onProgress), layoutOf(array), labelRemedies, options);

  async function readContent<Rows extends FeatureMatrix>(
    file: DataFile,
    allocator: Allocator,
    options: CsvOptions,
    readRows: ReadRows<Rows>,
  ): Promise<MatrixContent<Rows | Matrix>> {
    const { features, labels, arrays } = choose(file.path, await list(file), options);
    // First, because they are smaller.
    const labelContent = labels && (await readLabelsOf(labels, options, () => {}));
    const [only] = features;
    const content =
      features.length === 1
        ? await readRows(await only!.open(), allocator, layoutOf(only!))
        : await readBeside(file, allocator, features);
    return { ...content, ...labelContent, arrays };
  }

  return {
    ...description,
    options: ['labelColumn', 'skipLabels', 'featureColumns', 'classNames', 'numericLabels'],
    bringsLabels: true,
    readMatrix: (file, allocator, options) => readContent(file, allocator, options, readDenseMatrix),
    readFeatures: (file, allocator, options) => readContent(file, allocator, options, readDenseFeatures),
    async readLabels(file, options): Promise<LabelContent> {
      return readLabelsOf(chooseOnlyLabels(file.path, await list(file), options), options);
    },
    async locateRows(file, options) {
      const { features, arrays } = choose(file.path, await list(file), options);
      const [array, ...others] = features;
      if (array?.offset === undefined || others.length > 0) return undefined;
      const layout = numbersOf(file.path, layoutOf(array));
      const source = await array.open(() => {});
      // Rows beyond its own bytes would be those of another array.
      expectValues(source, layout);
      source.close();
      const stored = storedRowsAt(array.offset, layout);
      return stored && { ...stored, arrays };
    },
  };
}

interface Choice {
  readonly features: readonly NamedArray[];
  /** Undefined where there are none, or they are skipped. */
  readonly labels: NamedArray | undefined;
  readonly arrays: ChosenArrays;
}

function choose(path: string, all: readonly NamedArray[], options: CsvOptions): Choice {
  const features = chooseFeatures(path, all, options);
  const labels = options.skipLabels ? undefined : chooseLabels(path, all, features, options);
  const arrays = {
    features: features.map(({ name }) => name),
    ...(labels && { labels: labels.name }),
    others: all.filter((array) => array !== labels && !features.includes(array)).map(listing),
  };
  return { features, labels, arrays };
}

function layoutOf({ layout }: NamedArray): ArrayLayout {
  if (isRead(layout)) return layout;
  throw layout.refusal;
}

/** The columns of several arrays, side by side. */
async function readBeside(
  file: DataFile,
  allocator: Allocator,
  arrays: readonly NamedArray[],
): Promise<DenseMatrix> {
  const parts: DenseMatrix[] = [];
  for (const array of arrays)
    parts.push(await readDenseMatrix(await array.open(), hostMemory, layoutOf(array)));
  const [rows] = parts[0]!.matrix.dims;
  const columns = parts.reduce((sum, { matrix }) => sum + matrix.dims[1], 0);
  const matrix = allocateFor(file.path, () => allocator.matrix(rows, columns));
  let begin = 0;
  for (const { matrix: part } of parts) {
    const [, width] = part.dims;
    for (let row = 0; row < rows; row++) {
      matrix.data.set(part.data.subarray(row * width, (row + 1) * width), row * columns + begin);
    }
    begin += width;
  }
  const types = new Set(parts.map(({ elementType }) => elementType));
  return {
    matrix,
    elementType: types.size === 1 ? parts[0]!.elementType : 'float32',
    featureDims: [columns],
  };
}
