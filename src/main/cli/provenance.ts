// What a model keeps of the files that it comes from.

import { basename, resolve } from 'node:path';
import { hashFiles, type Runs, type Training } from '../index.js';
import { given } from './command-options.js';
import { fileOfWeights } from './model-loss.js';
import { shownPath } from './shown-paths.js';

/** The files of rows and labels that a command is given. */
interface RowFiles {
  readonly data: string;
  readonly labels?: string | undefined;
  readonly validationData?: string | undefined;
  readonly validationLabels?: string | undefined;
  readonly testData?: string | undefined;
  readonly testLabels?: string | undefined;
  readonly sampleWeight?: string | undefined;
}

interface FileFacts {
  readonly [key: string]: Training.Json;
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Name, size and SHA-256 of files, by what they hold; those that are not given are left out. `known` are hashed already. */
export async function fileFacts(
  { data, labels, validationData, validationLabels, testData, testLabels, sampleWeight }: RowFiles,
  signal: AbortSignal,
  known: readonly Runs.RunData[] = [],
): Promise<Record<string, FileFacts>> {
  const facts: Record<string, FileFacts> = {};
  const heldOut = { validationRows: validationData, validationLabels, testRows: testData, testLabels };
  const files = { rows: data, labels, ...heldOut, sampleWeight };
  for (const [name, path] of Object.entries(files)) {
    if (path === undefined) continue;
    const { files, bytes, sha256 } =
      known.find((file) => file.path === resolve(path)) ?? (await hashFiles(path, { signal }));
    facts[name] = { file: basename(shownPath(path)), ...given({ files }), bytes, sha256 };
  }
  return facts;
}

/** The files that decide about a run, by the options that name them. `classWeights`: more than one in a sweep. */
export function filesOf(
  flags: RowFiles & { readonly classNames?: string; readonly mask?: string },
  classWeights: readonly (string | undefined)[],
): Record<string, string> {
  const { data, labels, classNames, validationData, validationLabels, testData, testLabels } = flags;
  const { sampleWeight, mask } = flags;
  const weights = [...new Set(classWeights.map(fileOfWeights))].filter((file) => file !== undefined);
  return given({
    ...{
      data,
      labels,
      classNames,
      validationData,
      validationLabels,
      testData,
      testLabels,
      sampleWeight,
      mask,
    },
    ...Object.fromEntries(weights.map((file, i) => [`classWeight${i === 0 ? '' : i + 1}`, file])),
  }) as Record<string, string>;
}

/** Figures that a model file can hold. */
export const finiteOnly = (figures: Readonly<Record<string, number | boolean | undefined>>) =>
  Object.fromEntries(
    Object.entries(figures).filter(([, value]) => typeof value === 'boolean' || Number.isFinite(value)),
  ) as Record<string, number | boolean>;
