// Rows that ranks have in memory, each some of them, brought together on all of them: fit takes all rows on every rank.
import { SoftshardError } from '../../../errors.js';
import { type AnyVector, checkNumbers } from '../../arguments/numeric-vectors.js';
import type { TargetArray } from '../../arguments/targets.js';
import type { Cancellation } from '../../cancellation.js';
import { checkOptionNames, checkSignal, inspectValue } from '../../checks.js';
import { type Resources, resourcesOf } from '../../dispatch/resources.js';
import { rowNumberOf } from '../../dispatch/row-source.js';
import {
  allGatherValues,
  checkAlike,
  type Facts,
  togetherAlone,
  withOthers,
} from '../../distributed/together.js';
import type { Transport } from '../../distributed/transport.js';
import type { Engine } from '../../engine.js';
import { Labels } from '../../intake/labels.js';
import { checkRecordOptions, RECORD_OPTION_NAMES, type RecordOptions } from '../../intake/records.js';
import { type AnyRows, type AnyTargets, takeRows } from '../../intake/take-rows.js';
import { arrayClassOf, checkedDims, dataOf, dimsOf, product, typeOf } from '../../memory/arrays.js';
import { arrayClass, type TensorData } from '../../memory/element-types.js';
import type { Tensor } from '../../memory/tensor.js';
import type { FeatureType } from '../../models/feature-source.js';
import { checkInputs, featuresOf, type Inputs } from '../../models/inputs.js';

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
  /** Of records and tables with a number in each field: for the classifier. */
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

/** Of a rank that has any. */
interface CheckedRows {
  readonly inputs: Inputs;
  readonly featureNames: readonly string[] | undefined;
  readonly targets: TargetValues;
  readonly sampleWeight: NumberArray | undefined;
}

async function gatherAll(
  { transport }: Resources,
  own: CheckedRows | undefined,
  signal: Cancellation | undefined,
): Promise<AllRows> {
  const ranks = await Ranks.meet(withOthers(transport), signal, own);
  const { features, inputs: type, columns, dims, targets, type: targetType, featureNames } = ranks.kind;
  const data = await ranks.gatherInputs(type, features, own?.inputs);
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

type NumberArray = Exclude<TargetArray, readonly unknown[]> | Float32Array | Float64Array;
/** Or labels. */
type Values = NumberArray | readonly unknown[];

/** Class indices, labels, or a share of each class. */
interface TargetValues {
  readonly values: Values;
  readonly columns: number;
  /** Of a tensor. */
  readonly dims: readonly number[];
  readonly type: unknown;
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

/** What rows of all ranks have in common. */
interface Kind {
  readonly features: number;
  readonly inputs: FeatureType;
  readonly featureNames: readonly string[] | undefined;
  /** The class of the array. */
  readonly targets: string;
  readonly columns: number;
  readonly dims: readonly number[];
  readonly type: unknown;
  /** Types of the labels that an array holds. */
  readonly labels: string;
  readonly weighs: boolean;
}

function kindOf({ inputs, featureNames, targets, sampleWeight }: CheckedRows): Kind {
  const { values, columns, dims, type } = targets;
  const typesOf = (labels: readonly unknown[]) => [...new Set(labels.map((label) => typeof label))];
  return {
    features: inputs.columns,
    inputs: inputs.bytesOf(1) === inputs.columns ? 'uint8' : 'float32',
    featureNames,
    targets: arrayClassOf(values) ?? 'Array',
    columns,
    dims,
    type,
    labels: Array.isArray(values) ? typesOf(values).sort().join(' or ') : 'numbers',
    weighs: sampleWeight !== undefined,
  };
}

/** For messages. */
const factsOf = (kind: Kind): Facts => ({
  features: kind.features,
  'the type of inputs': kind.inputs,
  'the names of features': kind.featureNames && JSON.stringify(kind.featureNames),
  'the class of targets': kind.targets,
  'the type of labels': kind.labels,
  'the number of targets for each row': kind.columns,
  sampleWeight: kind.weighs ? 'there' : 'missing',
});

/** Of all ranks together in one call. */
const ROUND_BYTES = 32 * 1024 * 1024;

/** The ranks, with their numbers of rows. */
class Ranks {
  readonly kind: Kind;
  readonly #transport: Transport | undefined;
  readonly #signal: Cancellation | undefined;
  readonly #counts: readonly number[];
  /** First rows of the ranks, and the number of all. */
  readonly #offsets: readonly number[];

  /** Throws ERR_DISTRIBUTED where rows are of different kinds. */
  static async meet(
    transport: Transport | undefined,
    signal: Cancellation | undefined,
    own: CheckedRows | undefined,
  ): Promise<Ranks> {
    const mine = { rows: own?.inputs.rows ?? 0, kind: own && kindOf(own) };
    const all = transport === undefined ? [mine] : await allGatherValues(transport, mine);
    const kind = all.find((rank) => rank.kind !== undefined)?.kind;
    if (kind === undefined) {
      throw new SoftshardError('ERR_SHAPE', 'own.inputs has no rows, on no rank', {
        argument: 'own.inputs',
        value: 0,
      });
    }
    checkAlike(
      'allGatherRows',
      all.map((rank) => factsOf(rank.kind ?? kind)),
      'the rows of all ranks must be of one kind',
    );
    return new Ranks(
      kind,
      transport,
      signal,
      all.map((rank) => rank.rows),
    );
  }

  private constructor(
    kind: Kind,
    transport: Transport | undefined,
    signal: Cancellation | undefined,
    counts: readonly number[],
  ) {
    this.kind = kind;
    this.#transport = transport;
    this.#signal = signal;
    this.#counts = counts;
    const offsets = [0];
    for (const count of counts) offsets.push(offsets.at(-1)! + count);
    this.#offsets = offsets;
  }

  get rows(): number {
    return this.#offsets.at(-1)!;
  }

  get rowOffset(): number {
    return this.#offsets[this.#transport?.rank ?? 0]!;
  }

  async gatherInputs(
    type: FeatureType,
    features: number,
    own: Inputs | undefined,
  ): Promise<TensorData[FeatureType]> {
    const className = arrayClass(type).name;
    const all = newArray(className, this.rows * features);
    await this.#gather(all, features, async (begin, end) => {
      const some = newArray(className, (end - begin) * features);
      await own?.visit({ begin, end }, (values, portion) => {
        some.set(values as never, (rowNumberOf(portion, 0) - begin) * features);
        return undefined;
      });
      return some;
    });
    return all as TensorData[FeatureType];
  }

  /** Of an array of this class, so many entries a row. */
  async gather(className: string, columns: number, own: Values | undefined): Promise<Values> {
    if (className === 'Array') {
      const values = own ?? [];
      return this.#transport === undefined
        ? [values].flat()
        : (await allGatherValues(this.#transport, values)).flat();
    }
    const numbers = (own ?? newArray(className, 0)) as NumberArray;
    const all = newArray(className, this.rows * columns);
    await this.#gather(all, columns, (begin, end) => numbers.subarray(begin * columns, end * columns));
    return all;
  }

  /** Some rows of each rank in each call; `read` gives those of this one. */
  async #gather(
    all: NumberArray,
    columns: number,
    read: (begin: number, end: number) => NumberArray | Promise<NumberArray>,
  ): Promise<void> {
    const rowBytes = columns * all.BYTES_PER_ELEMENT;
    const step = Math.max(1, Math.floor(ROUND_BYTES / this.#counts.length / rowBytes));
    const own = this.#counts[this.#transport?.rank ?? 0]!;
    const into = bytesOf(all);
    for (let begin = 0; begin < Math.max(...this.#counts); begin += step) {
      const some = bytesOf(await read(Math.min(own, begin), Math.min(own, begin + step)));
      const parts = this.#transport === undefined ? [some] : await this.#transport.allGather(some);
      this.#signal?.throwIfAborted();
      for (const [rank, part] of parts.entries()) {
        // A rank whose rows are all there sends nothing.
        if (part.length > 0) into.set(part, (this.#offsets[rank]! + begin) * rowBytes);
      }
    }
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** Throws ERR_DISTRIBUTED where there is no memory for it. */
function newArray(className: string, length: number): NumberArray {
  const Class = (globalThis as unknown as Record<string, new (length: number) => NumberArray>)[className]!;
  try {
    return new Class(length);
  } catch (cause) {
    const message = `the rows of all ranks have ${length} numbers, for which this rank has no memory: write them to a file that all ranks see, and pass openFeatures(path) to fit`;
    throw new SoftshardError('ERR_DISTRIBUTED', message, { cause });
  }
}
