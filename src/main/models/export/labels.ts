// What an exported model calls its classes: the rule of `softshard predict` for .npy files.

/** Numbers of classes, or names. */
export type Labels =
  | { readonly kind: 'numbers'; readonly values: readonly number[] }
  | { readonly kind: 'names'; readonly values: readonly string[] };

const WHOLE = /^[+-]?(?:0|[1-9]\d*)(?:\.0*)?$/;

/** Their names, as numbers where all are whole; without names their indices. */
export function labelsOf(classNames: readonly string[] | undefined, classes: number): Labels {
  if (classNames === undefined) return { kind: 'numbers', values: indicesOf(classes) };
  const numbers = classNames.map((name) => (WHOLE.test(name) ? Number(name) : Number.NaN));
  if (numbers.every(Number.isSafeInteger)) return { kind: 'numbers', values: numbers };
  return { kind: 'names', values: classNames };
}

export const indicesOf = (classes: number): number[] => Array.from({ length: classes }, (_, i) => i);

/** As int64 in memory. */
export const int64Bytes = (values: readonly number[]): Uint8Array =>
  new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
