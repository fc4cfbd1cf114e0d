// Rows that ranks have in memory, each some of them, brought together on all of them: fit takes all rows on every rank.
import { SoftshardError } from '../../../errors.js';
import { type AnyVector, checkNumbers } from '../../arguments/numeric-vectors.js';
import type { Cancellation } from '../../cancellation.js';
import { checkOptionNames, checkSignal, inspectValue } from '../../checks.js';
import { type Resources, resourcesOf } from '../../dispatch/resources.js';
import { togetherAlone, withOthers } from '../../distributed/together.js';
import type { Engine } from '../../engine.js';
import { Labels } from '../../intake/labels.js';
import { checkRecordOptions, RECORD_OPTION_NAMES, type RecordOptions } from '../../intake/records.js';
import { type AnyRows, type AnyTargets, takeRows } from '../../intake/take-rows.js';
import { arrayClassOf, checkedDims, dataOf, dimsOf, product, typeOf } from '../../memory/arrays.js';
import type { Tensor } from '../../memory/tensor.js';
import type { FeatureType } from '../../models/feature-source.js';
import { checkInputs, featuresOf } from '../../models/inputs.js';
import { type CheckedRows, RowsOfRanks, type TargetValues, type Values } from './rows-of-ranks.js';

/** The rows of one rank, with what each has besides its features. */
export interface OwnRows {
  readonly inputs: AnyRows;
  /** May be left out where the inputs bring their labels along. */
  readonly targets?: AnyTargets | undefined;
  /** [rows]. */
  readonly sampleWeight?: AnyVector | undefined;
}

export interface AllGatherRowsOptions extends RecordOptions {
  /** For inputs given as a bare array. */
  columns?: number | undefined;
  /** Aborting it on one rank rejects on all. */
  signal?: AbortSignal | undefined;
}

/** The same on all ranks, but for rowOffset. */
export interface AllRows {
  /** [rows, features] of all ranks, in their order. */
  readonly inputs: Tensor<FeatureType>;
  readonly targets: AnyTargets;
  readonly sampleWeight: AnyVector | undefined;
  /** Of records and tables with a number in each field, in the order of the first rank that has rows: for the classifier. */
  readonly featureNames: readonly string[] | undefined;
  /** Where the rows of this rank begin among all. */
  readonly rowOffset: number;
}

/**
 * Brings the rows that each rank has to all of them, in order of ranks: for fit, fitMany and partialFit, which take all rows on
 * every rank. To be called by all ranks. Each then holds all rows in memory, outside the engine's arena, whose part of them a
 * training copies: where they are too many for that, write them to a file that all ranks see and pass openFeatures(path). Of an
 * engine that is not distributed, a copy. Throws ERR_DISTRIBUTED where rows of ranks do not fit together; what is wrong on one rank
 * rejects on all.
 */
export async function allGatherRows(
  engine: Engine,
  own: OwnRows,
  options: AllGatherRowsOptions = {},
): Promise<AllRows> {
  const resources = resourcesOf(engine);
  return togetherAlone('allGatherRows', resources.transport, async () => {
    checkOptionNames('own', own, ['inputs', 'targets', 'sampleWeight']);
    checkOptionNames('options', options, [...RECORD_OPTION_NAMES, 'columns', 'signal']);
    const signal = checkSignal('options.signal', options.signal);
    signal?.throwIfAborted();
    // A rank without rows need not know what rows of others are like.
    if (isEmpty(own.inputs)) return gatherAll(resources, undefined, signal);
    const { columns } = options;
    const taken = await takeRows(resources, own.inputs, own.targets, {
      argument: 'own.inputs',
      hasTargets: true,
      features: undefined,
      featureNames: undefined,
      columns,
      options: checkRecordOptions(options),
      signal,
    });
    try {
      const features = featuresOf(resources, 'own.inputs', taken.inputs, columns);
      const inputs = checkInputs(resources, 'own.inputs', taken.inputs, columns, { features }, signal);
      const { rows } = inputs;
      if (rows === 0) return await gatherAll(resources, undefined, signal);
      const sampleWeight = checkNumbers('own.sampleWeight', own.sampleWeight, rows, 'rows', 0, 'float64');
      const { featureNames } = taken;
      const targets = targetsOf(taken.targets, rows);
      return await gatherAll(resources, { inputs, featureNames, targets, sampleWeight }, signal);
    } finally {
      taken.free();
    }
  });
}

const isEmpty = (rows: unknown): boolean =>
  (Array.isArray(rows) || arrayClassOf(rows) !== undefined) && (rows as ArrayLike<unknown>).length === 0;

async function gatherAll(
  { transport }: Resources,
  own: CheckedRows | undefined,
  signal: Cancellation | undefined,
): Promise<AllRows> {
  const ranks = await RowsOfRanks.meet(withOthers(transport), signal, own);
  const { features, inputs: type, columns, dims, targets, type: targetType, featureNames } = ranks.kind;
  const data = await ranks.gatherInputs(own);
  const values = await ranks.gather(targets, columns, own?.targets.values);
  const targetDims = [ranks.rows, ...dims.slice(1)];
  return {
    inputs: { type, dims: [ranks.rows, features], data },
    targets: (dims.length > 1 ? { type: targetType, dims: targetDims, data: values } : values) as AnyTargets,
    sampleWeight: ranks.kind.weighs
      ? ((await ranks.gather('Float64Array', 1, own?.sampleWeight)) as Float64Array)
      : undefined,
    featureNames,
    rowOffset: ranks.rowOffset,
  };
}

function targetsOf(given: unknown, rows: number): TargetValues {
  if (given instanceof Labels) {
    const { codes, distinct } = given;
    return { values: Array.from(codes, (code) => distinct[code]), columns: 1, dims: [], type: undefined };
  }
  const values = dataOf(given);
  const isArray = Array.isArray(values) || arrayClassOf(values) !== undefined;
  const length = isArray ? (values as Values).length : 0;
  const dims = checkedDims(dimsOf(given)) ?? [];
  const columns = length / rows;
  const fits = dims.length === 0 || (dims[0] === rows && product(dims) === length);
  if (isArray && fits && columns >= 1 && Number.isInteger(columns)) {
    return { values: values as Values, columns, dims, type: typeOf(given) };
  }
  const what = isArray ? `has ${length} entries` : `is ${inspectValue(values)}`;
  const message = `own.targets ${what} for ${rows} rows: pass a label, a class index or a share of each class for each row`;
  throw new SoftshardError('ERR_SHAPE', message, { argument: 'own.targets', value: length });
}
