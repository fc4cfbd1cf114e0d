// Which classes are taken for which, in the width of a terminal.

import { shortened } from '../../printable.js';
import type { Training } from '../index.js';
import { count, percent, table } from './output.js';

/** More columns than these are a wall of numbers. */
const MOST_CLASSES = 12;
const MOST_PAIRS = 8;
const MOST_NAME = 24;

/** '' where nothing is confused. */
export function confusionText(
  evaluation: Training.Evaluation,
  classNames: readonly string[] | undefined,
  columns: number,
): string {
  const { topConfusions, perClass } = evaluation;
  if (topConfusions.length === 0) return '';
  const nameOf = (index: number) => shortened(classNames?.[index] ?? String(index), MOST_NAME);
  const pairs = topConfusions
    .slice(0, MOST_PAIRS)
    .map(({ target, prediction, rows }) => [
      nameOf(target),
      nameOf(prediction),
      count(rows),
      percent(rows / perClass.support[target]!),
    ]);
  const wide = table([['class', 'taken for', 'rows', 'of the class'], ...pairs]);
  const mistakes = fits(wide, columns)
    ? wide
    : table([['class', 'as', 'rows'], ...pairs.map((it) => it.slice(0, 3))]);
  const matrix = matrixText(evaluation, nameOf, columns);
  return `${matrix === '' ? '' : `${matrix}\n`}${mistakes}`;
}

const fits = (text: string, columns: number): boolean =>
  text.split('\n').every((line) => line.length <= columns);

/** Rows as numbers where they fit, else as percentages of the true class; '' where those do not fit either. */
function matrixText(
  { confusion, perClass }: Training.Evaluation,
  nameOf: (index: number) => string,
  columns: number,
): string {
  const classes = confusion?.dims[0] ?? 0;
  if (confusion === undefined || classes < 2 || classes > MOST_CLASSES) return '';
  const indices = Array.from({ length: classes }, (_, index) => index);
  const isNamed = indices.some((index) => nameOf(index) !== String(index));
  const text = (title: string, cellOf: (rows: number, target: number) => string) =>
    table([
      [title, ...indices.map(String)],
      ...indices.map((target) => [
        isNamed ? `${String(target).padStart(String(classes - 1).length)} ${nameOf(target)}` : String(target),
        ...indices.map((prediction) => {
          const rows = confusion.data[target * classes + prediction]!;
          return rows === 0 ? '.' : cellOf(rows, target);
        }),
      ]),
    ]);
  const numbers = text('true \\ predicted', (rows) => String(rows));
  if (fits(numbers, columns)) return numbers;
  const shares = text('true, % predicted', (rows, target) =>
    String(Math.round((100 * rows) / perClass.support[target]!)),
  );
  return fits(shares, columns) ? shares : '';
}
