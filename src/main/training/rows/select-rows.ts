// Some of the rows of an array, wherever inputs are taken: to evaluate on the rows that splitRows holds out, say.
import { SoftshardError } from '../../../errors.js';
import { inspectValue } from '../../checks.js';
import { checkedDims, dataOf, dimsOf, isArrayOf, typeOf } from '../../memory/arrays.js';
import type { Tensor } from '../../memory/tensor.js';
import {
  checkFeatureSource,
  checkSourceFeatures,
  type FeatureSource,
  type FeatureType,
  isFeatureSource,
} from '../../models/feature-source.js';
import { checkRowNumbers, type RowNumbers } from './row-split.js';

/**
 * The rows with these numbers of inputs [rows × features], or of a FeatureSource, in their order, each once; copied when they are
 * asked for. Throws ERR_OPTION for a number that is no row.
 */
export function selectRows<Type extends FeatureType>(
  inputs: Tensor<Type> | FeatureSource<Type>,
  rowNumbers: RowNumbers,
): FeatureSource<Type> {
  if (isFeatureSource(inputs)) {
    const { rows, gather } = checkFeatureSource('inputs', inputs);
    const features = checkSourceFeatures('inputs', inputs);
    const chosen = checkRowNumbers('rowNumbers', rowNumbers, new Uint8Array(rows));
    return {
      rows: chosen.length,
      features,
      type: inputs.type,
      gather: (wanted, into) =>
        gather(
          wanted.map((index) => chosen[index]!),
          into,
        ),
    };
  }
  const type = typeOf(inputs);
  const data = dataOf(inputs);
  const [rows, features = 0, ...others] = checkedDims(dimsOf(inputs)) ?? [];
  const isArray = (type === 'float32' || type === 'uint8') && isArrayOf(type, data);
  if (!isArray || rows === undefined || others.length > 0 || rows * features !== data.length) {
    const message = `inputs is ${inspectValue(inputs)}: it must be a float32 or uint8 tensor with dims [rows, features]`;
    throw new SoftshardError('ERR_TYPE', message, { argument: 'inputs', value: inputs });
  }
  const chosen = checkRowNumbers('rowNumbers', rowNumbers, new Uint8Array(rows));
  return {
    rows: chosen.length,
    features,
    type: type as Type,
    gather(wanted, into) {
      for (const [i, index] of wanted.entries()) {
        const begin = chosen[index]! * features;
        into.set(inputs.data.subarray(begin, begin + features), i * features);
      }
    },
  };
}
