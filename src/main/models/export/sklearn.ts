// A model as the arrays of scikit-learn's LogisticRegression: coef_, intercept_ and classes_ in an .npz file.

import { SoftshardError } from '../../../errors.js';
import { checkPath } from '../../checks.js';
import { encodeNpyHeader } from '../../data/npy/npy-header.js';
import { checkWriteOptions, type WriteOptions, writeFileAtomically } from '../../outputs/write-atomically.js';
import { checkModel, type PredictorModel } from '../checked-model.js';
import type { LinearModel } from '../linear-model.js';
import { perFeature } from './folded-scaling.js';
import { int64Bytes, labelsOf } from './labels.js';
import { archiveBytes, MAX_ARCHIVE_BYTES, writeZip, type ZipMember } from './zip.js';

/**
 * Writes a model to an .npz file, atomically, with the fitted attributes of scikit-learn's LogisticRegression for rows that are not
 * scaled: coef_ float64 [classes × features], intercept_ float64 [classes] (of two classes the differences, [1 × features] and
 * [1]), classes_ [classes] (int64 where all names are whole numbers, and without names, else strings), and feature_names_in_ where
 * the model has names. Throws ERR_FORMAT beyond 4 GiB, ERR_FILE, and as Predictor for a model that is none.
 */
export async function exportSklearn(
  model: PredictorModel,
  path: string,
  options: WriteOptions = {},
): Promise<void> {
  const signal = checkWriteOptions(options);
  checkPath(path);
  const checked = checkModel(model);
  const bytes = 2 * checked.weights.byteLength;
  if (bytes > MAX_ARCHIVE_BYTES) throw tooLarge(path, bytes);
  const members = membersOf(checked);
  const total = archiveBytes(members);
  if (total > MAX_ARCHIVE_BYTES) throw tooLarge(path, total);
  await writeFileAtomically(path, (write) => writeZip(write, members), signal);
}

function tooLarge(path: string, bytes: number): SoftshardError {
  const message = `${path}: an .npz file has at most ${MAX_ARCHIVE_BYTES} bytes here, and this model takes ${bytes} in float64: leave features or classes out, or read the model file itself (safetensors)`;
  return new SoftshardError('ERR_FORMAT', message, { argument: 'model', value: bytes });
}

function membersOf(model: LinearModel & PredictorModel): ZipMember[] {
  const { features, classes, classNames, featureNames } = model;
  const { coefficients, intercepts } = unscaledParameters(model);
  const labels = labelsOf(classNames, classes);
  const functions = classes === 2 ? 1 : classes;
  return [
    member('coef_', '<f8', [functions, features], bytesOf(differences(coefficients, classes))),
    member('intercept_', '<f8', [functions], bytesOf(differences(intercepts, classes))),
    labels.kind === 'numbers'
      ? member('classes_', '<i8', [classes], int64Bytes(labels.values))
      : textMember('classes_', labels.values),
    ...(featureNames ? [textMember('feature_names_in_', featureNames)] : []),
  ];
}

/** Those that give the logits of rows that are not scaled: [classes × features] and [classes], in float64. */
function unscaledParameters({ features, classes, weights, bias, featureScaling }: LinearModel) {
  const { shift, scale } = featureScaling ?? { shift: 0, scale: 1 };
  const [shifts, scales] = [perFeature(shift, features), perFeature(scale, features)];
  const coefficients = new Float64Array(weights.length);
  const intercepts = Float64Array.from(bias);
  for (let index = 0; index < classes; index++) {
    for (let feature = 0; feature < features; feature++) {
      const coefficient = weights[feature * classes + index]! * scales[feature]!;
      coefficients[index * features + feature] = coefficient;
      intercepts[index]! -= coefficient * shifts[feature]!;
    }
  }
  return { coefficients, intercepts };
}

/** Of two classes [2 × any], what the second has more than the first, as scikit-learn has it; of more they themselves. */
function differences(values: Float64Array, classes: number): Float64Array {
  if (classes !== 2) return values;
  const half = values.length / 2;
  return values.subarray(half).map((value, i) => value - values[i]!);
}

const member = (name: string, dtype: string, dims: readonly number[], bytes: Uint8Array): ZipMember => ({
  name: `${name}.npy`,
  parts: [encodeNpyHeader(dtype, dims), bytes],
});

/** numpy's strings: as many UTF-32 code units each as the longest has, zeros at the end. */
function textMember(name: string, texts: readonly string[]): ZipMember {
  const points = texts.map((text) => Array.from(text, (character) => character.codePointAt(0)!));
  const width = Math.max(1, ...points.map(({ length }) => length));
  const units = new Uint32Array(texts.length * width);
  for (const [i, text] of points.entries()) units.set(text, i * width);
  return member(name, `<U${width}`, [texts.length], new Uint8Array(units.buffer));
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float64Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);
