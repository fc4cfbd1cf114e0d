// A model from the arrays of scikit-learn's LogisticRegression in an .npz file: what exportSklearn writes, or numpy.savez.

import { listed } from '../../../printable.js';
import { checkOptionNames } from '../../checks.js';
import { type ReadOptions, withDataFile } from '../../data/data-file.js';
import { formatError } from '../../data/errors.js';
import { detectFormat, readLabels, readMatrix } from '../../data/index.js';
import { listArrays } from '../../data/npz/npz.js';
import { hostMemory } from '../../memory/host-memory.js';
import { version } from '../../version.js';
import { checkModel } from '../checked-model.js';
import type { Model } from '../model-file.js';

export type ImportOptions = Pick<ReadOptions, 'signal'>;

const REQUIRED = ['coef_', 'intercept_', 'classes_'] as const;
/** Of a StandardScaler before the model. */
const SCALER = ['mean_', 'scale_'] as const;
const FEATURE_NAMES = 'feature_names_in_';

const REMEDY =
  "Write it with numpy.savez('m.npz', coef_=m.coef_, intercept_=m.intercept_, classes_=m.classes_), of a LogisticRegression m.";

/**
 * Reads coef_, intercept_ and classes_ of a multinomial LogisticRegression, or of one of two classes; mean_ and scale_ of the
 * StandardScaler before it, which become its featureScaling, and feature_names_in_, where the file has them. Rounded to float32.
 * Throws ERR_FILE and ERR_FORMAT; rejects with signal.reason when aborted.
 */
export async function importSklearn(path: string, options: ImportOptions = {}): Promise<Model> {
  checkOptionNames('options', options, ['signal']);
  const names = await namesIn(path, options);
  const matrixOf = async (name: string) =>
    (await readMatrix(hostMemory, path, { ...options, featureColumns: [name] })).matrix;
  const coefficients = await matrixOf('coef_');
  const [functions, features] = coefficients.dims;
  const expectLength = (name: string, found: number, length: number) => {
    if (found === length) return;
    const finding = `expected ${length} values of "${name}" beside coef_ [${functions}, ${features}], found ${found}`;
    throw formatError(path, finding, REMEDY, { value: found });
  };
  const vectorOf = async (name: string, length: number) => {
    const { data } = await matrixOf(name);
    expectLength(name, data.length, length);
    return data;
  };
  /** Labels come as codes of sorted names, or as numbers. */
  const textsOf = async (name: string, length: number) => {
    const { targets, classNames } = await readLabels(path, { ...options, labelColumn: name });
    expectLength(name, targets.length, length);
    return Array.from(targets, (target) => classNames?.[target] ?? String(target));
  };
  const classes = functions === 1 ? 2 : functions;
  const intercepts = await vectorOf('intercept_', functions);
  const classNames = await textsOf('classes_', classes);
  const featureNames = names.includes(FEATURE_NAMES) ? await textsOf(FEATURE_NAMES, features) : undefined;
  const featureScaling = SCALER.every((name) => names.includes(name))
    ? {
        shift: await vectorOf('mean_', features),
        scale: (await vectorOf('scale_', features)).map((deviation) => 1 / deviation),
      }
    : undefined;
  const model = {
    features,
    classes,
    weights: byFeature(ofEachClass(coefficients.data, classes), features, classes),
    bias: ofEachClass(intercepts, classes),
    ...(classNames.some((name, index) => name !== String(index)) && { classNames }),
    ...(featureNames && { featureNames }),
    ...(featureScaling && { featureScaling }),
    softshardVersion: version,
  };
  checkModel(model);
  return model;
}

async function namesIn(path: string, options: ImportOptions): Promise<readonly string[]> {
  const format = await detectFormat(path);
  if (format !== 'npz') throw formatError(path, `expected an .npz file, found ${format}`, REMEDY);
  const arrays = await withDataFile(path, options, listArrays);
  const names = arrays.map(({ name }) => name);
  const missing = REQUIRED.find((name) => !names.includes(name));
  if (missing === undefined) return names;
  throw formatError(path, `expected an array "${missing}", found ${listed(names)}`, REMEDY);
}

/**
 * [classes × any]. Of two classes scikit-learn has [1 × any], the second's logit less the first's: each gets half of it, which
 * is exact.
 */
function ofEachClass(values: Float32Array, classes: number): Float32Array {
  if (classes !== 2) return values;
  const both = new Float32Array(2 * values.length);
  both.set(values.map((value) => -value / 2));
  both.set(
    values.map((value) => value / 2),
    values.length,
  );
  return both;
}

/** [classes × features] as [features × classes]. */
const byFeature = (values: Float32Array, features: number, classes: number): Float32Array =>
  values.map((_, i) => values[(i % classes) * features + Math.floor(i / classes)]!);
