// Decides whether line 1 of data and labels holds names where the files leave it open: by comparing their numbers of rows.

import { listed, quoted } from '../../printable.js';
import { type Files, SoftshardError } from '../index.js';
import { counted } from './output.js';
import type { Progress } from './progress.js';
import type { RowsFile } from './rows-file.js';

/** A file as read, and how to read it again with or without names in line 1. */
export interface Reading<Result> {
  readonly path: string;
  readonly result: Result;
  readonly again: (header: boolean) => Promise<Result>;
}

/** Makes the numbers of rows and labels equal, reading one file again if its line 1 explains a difference of one. */
export async function settleHeaders(
  data: Reading<RowsFile>,
  labels: Reading<Files.LabelFile>,
  header: boolean | undefined,
  progress: Progress,
): Promise<{ file: RowsFile; labelFile: Files.LabelFile }> {
  let file = data.result;
  let labelFile = labels.result;
  const surplus = labelFile.targets.length - file.matrix.dims[0];
  if (surplus === 1 && isName(labelFile, file, header)) {
    const name = firstLabel(labelFile);
    labelFile = await labels.again(true);
    const taken = `line 1, ${name}, is taken for a name, since there is one label more than rows`;
    if (header !== true) progress.note(`${labels.path}: ${taken}; --no-header takes it for a label`);
  } else if (file.headerIsGuess && surplus === (file.header ? 1 : -1)) {
    if ('free' in file.matrix) file.matrix.free();
    file = await data.again(!file.header);
    const taken = file.header ? 'names (--no-header: for a row)' : 'a row (--header: for names)';
    progress.note(`${data.path}: line 1 is taken for ${taken}, since then there are as many rows as labels`);
  }
  const rows = file.matrix.dims[0];
  if (labelFile.targets.length !== rows) throw unequal(data.path, file, labels.path, labelFile);
  const isOpen = labelFile.headerIsGuess === true && !labelFile.header;
  if (file.header || isOpen) noteGuess(data.path, file, progress);
  return { file, labelFile };
}

/** Warns where it is a guess how line 1 was taken. */
export function noteGuess(
  path: string,
  { header, headerIsGuess, featureNames = [] }: RowsFile,
  progress: Progress,
): void {
  if (!headerIsGuess) return;
  const taken = header
    ? `line 1 (${listed(featureNames)}) is taken for names, not for a row; --no-header takes it for one`
    : 'line 1 is taken for a row, though it counts from 0 as names may; --header takes it for names';
  progress.warn(`${path}: ${taken}`);
}

/** Warns that line 1 may be a header: its label is unique, while every other label occurs more than once. */
export function noteLoneLabel(
  path: string,
  { header, headerIsGuess, targets, classNames = [] }: RowsFile,
  progress: Progress,
): void {
  if (header || headerIsGuess || !targets || classNames.length < 2) return;
  const first = targets[0]!;
  const name = classNames[first]!;
  const rows = new Uint32Array(classNames.length);
  for (const target of targets) rows[target]!++;
  if (!Number.isNaN(Number(name)) || !rows.every((count, index) => (index === first) === (count === 1)))
    return;
  progress.warn(
    `${path}: line 1 is taken for a row, though no other has its label, ${quoted(name)}; --header takes it for names`,
  );
}

const firstLabel = ({ targets, classNames }: Files.LabelFile): string =>
  quoted(classNames?.[targets[0]!] ?? '');

/**
 * Whether line 1 of the labels is a name: 0, which pandas writes above an unnamed column if the data have a header, or a
 * word that no other row has.
 */
function isName(labelFile: Files.LabelFile, file: RowsFile, header: boolean | undefined): boolean {
  const { targets, classNames } = labelFile;
  if (!classNames || labelFile.header || header === false) return false;
  const first = classNames[targets[0]!]!;
  if (header === true || (first === '0' && file.header)) return true;
  return Number.isNaN(Number(first)) && !targets.includes(targets[0]!, 1);
}

function unequal(data: string, file: RowsFile, labels: string, labelFile: Files.LabelFile): SoftshardError {
  const rows = file.matrix.dims[0];
  const { length } = labelFile.targets;
  // --header would take line 1 of the data for names as well.
  const remedy = file.header === false ? 'take it out' : 'pass --header';
  const hints: readonly [surplus: number, applies: boolean | undefined, hint: string][] = [
    [
      1,
      labelFile.classNames && !labelFile.header,
      `If line 1 of ${labels}, ${firstLabel(labelFile)}, is a name, ${remedy}`,
    ],
    [1, file.header, `If line 1 of ${data} holds values, pass --no-header`],
    [-1, labelFile.header, `If line 1 of ${labels} is a label, pass --no-header`],
    [-1, file.header === false, `If line 1 of ${data} holds names, pass --header`],
  ];
  const [, , hint] = hints.find(([surplus, applies]) => applies && surplus === length - rows) ?? [];
  const message =
    `${labels} has ${counted(length, 'label')} for the ${counted(rows, 'row')} of ${data}: they must be one for each row` +
    (hint === undefined ? '' : `. ${hint}`);
  return new SoftshardError('ERR_SHAPE', message, { argument: 'labels', value: length });
}
