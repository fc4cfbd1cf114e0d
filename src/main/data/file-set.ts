// Several files of one schema as one: their rows one below the other, their labels as though they were in one file.

import { listed } from '../../printable.js';
import { hostMemory } from '../memory/host-memory.js';
import type { Allocator, ByteMatrix } from '../memory/tensor.js';
import { ClassLabels } from './class-labels.js';
import type { ReadOptions } from './data-file.js';
import { allocateFor, formatError } from './errors.js';
import type { FeatureMatrix, FormatName, LabelContent, MatrixContent } from './format.js';
import type { LabelOptions } from './read-options.js';

type RowsFile = MatrixContent<FeatureMatrix> & { readonly format: FormatName };
type LabelsFile = LabelContent & { readonly format: FormatName };

const ONE_SCHEMA =
  'Files that are read as one need the same format, types and columns: move this one elsewhere, or name the others by a pattern.';

/** Looks at the beginnings alone, before anything is read. */
export async function expectOneFormat(
  files: readonly string[],
  formatOf: (file: string) => Promise<FormatName>,
): Promise<void> {
  const wanted = await formatOf(files[0]!);
  for (const file of files.slice(1)) {
    const found = await formatOf(file);
    if (found === wanted) continue;
    const finding = `expected the format ${wanted}, as in ${files[0]}, found ${found}`;
    throw formatError(file, finding, ONE_SCHEMA);
  }
}

/** Reads each file into ordinary memory, then copies all into a matrix of the allocator's, letting go of each in turn. */
export async function readRowsOfFiles<Content extends RowsFile>(
  path: string,
  files: readonly string[],
  { allocator, options }: { readonly allocator: Allocator; readonly options: LabelOptions & ReadOptions },
  readOne: (file: string, allocator: Allocator, options: ReadOptions) => Promise<Content>,
): Promise<Content> {
  const parts = await readEach(files, options, (file, own) => readOne(file, hostMemory, own), describeRows);
  const [first] = parts as [Content, ...Content[]];
  const labels = first.targets === undefined ? undefined : mergeLabels(path, parts as LabelsFile[], options);
  const ids = first.ids && parts.flatMap(({ ids = [] }) => ids);
  const rows = parts.reduce((sum, { matrix }) => sum + matrix.dims[0], 0);
  const [, features] = first.matrix.dims;
  const matrix = allocateFor(path, () =>
    first.matrix.type === 'uint8'
      ? (allocator.tensor('uint8', [rows, features]) as ByteMatrix)
      : allocator.matrix(rows, features),
  );
  let begin = 0;
  for (let part = parts.shift(); part; part = parts.shift()) {
    matrix.data.set(part.matrix.data, begin);
    begin += part.matrix.data.length;
  }
  return { ...first, ...labels, ...(ids && { ids }), matrix };
}

export async function readLabelsOfFiles(
  path: string,
  files: readonly string[],
  options: LabelOptions & ReadOptions,
  readOne: (file: string, options: ReadOptions) => Promise<LabelsFile>,
): Promise<LabelsFile> {
  const parts = await readEach(files, options, readOne, ({ classNames }) => ({
    labels: classNames ? 'names' : 'class indices',
  }));
  return { ...parts[0]!, ...mergeLabels(path, parts, options) };
}

/** What must be the same in all files, for messages too. */
const describeRows = (content: RowsFile) => ({
  type: content.elementType,
  columns: content.featureNames && listed(content.featureNames),
  'features a row': content.matrix.dims[1],
  dims: content.featureDims?.join(' × '),
  features: content.arrays?.features.join(),
  labels: content.targets === undefined ? 'none' : content.classNames ? 'names' : 'class indices',
});

async function readEach<Content>(
  files: readonly string[],
  { onProgress }: ReadOptions,
  readOne: (file: string, options: ReadOptions) => Promise<Content>,
  describe: (content: Content) => Readonly<Record<string, string | number | undefined>>,
): Promise<Content[]> {
  const parts: Content[] = [];
  for (const [index, file] of files.entries()) {
    const part = await readOne(file, {
      onProgress: onProgress && ((fraction) => onProgress((index + fraction) / files.length)),
    });
    const [wanted, found] = [describe(parts[0] ?? part), describe(part)];
    for (const [what, value] of Object.entries(wanted)) {
      // Of tables cut into parts, often the first alone has names.
      if (value === found[what] || (what === 'columns' && found[what] === undefined)) continue;
      throw formatError(
        file,
        `expected ${what} ${value ?? 'none'}, as in ${files[0]}, found ${found[what] ?? 'none'}`,
        ONE_SCHEMA,
      );
    }
    parts.push(part);
  }
  return parts;
}

/** Classes as though all labels were in one file. */
function mergeLabels(
  path: string,
  parts: readonly Pick<LabelsFile, 'targets' | 'classNames'>[],
  options: LabelOptions,
): Pick<LabelContent, 'targets' | 'classNames'> {
  const rows = parts.reduce((sum, { targets }) => sum + targets.length, 0);
  const targets = allocateFor(path, () => new Int32Array(rows));
  const names = options.classNames ? undefined : mergeNames(path, parts, options);
  let begin = 0;
  for (const [index, part] of parts.entries()) {
    const classOf = names?.classOf[index];
    targets.set(classOf ? part.targets.map((target) => classOf[target]!) : part.targets, begin);
    begin += part.targets.length;
  }
  const classNames = names?.classNames ?? parts[0]!.classNames;
  return { targets, ...(classNames && { classNames }) };
}

/** For each part, the class of each of its own; undefined where classes have no names. */
function mergeNames(
  path: string,
  parts: readonly Pick<LabelsFile, 'targets' | 'classNames'>[],
  options: LabelOptions,
): { readonly classNames: string[]; readonly classOf: readonly Int32Array[] } | undefined {
  const count = parts.reduce((sum, { classNames = [] }) => sum + classNames.length, 0);
  if (count === 0) return undefined;
  const labels = new ClassLabels(path, count, options, () => 'all files together');
  // Those that come first name their classes.
  const orders = parts.map(({ targets }) => [...new Set(targets)]);
  for (const [index, { classNames }] of parts.entries()) {
    for (const code of orders[index]!) labels.add(classNames![code]!, index);
  }
  const merged = labels.finish();
  let begin = 0;
  const classOf = parts.map(({ classNames }, index) => {
    const classes = new Int32Array(classNames!.length);
    for (const code of orders[index]!) classes[code] = merged.targets[begin++]!;
    return classes;
  });
  return { classNames: merged.classNames, classOf };
}
