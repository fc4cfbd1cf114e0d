// How rows of each rank come to all of them: whether they fit together, in which order their features are, and where each lies.
import { SoftshardError } from '../../../errors.js';
import type { TargetArray } from '../../arguments/targets.js';
import type { Cancellation } from '../../cancellation.js';
import { rowNumberOf } from '../../dispatch/row-source.js';
import { allGatherValues, checkAlike, type Facts } from '../../distributed/together.js';
import type { Transport } from '../../distributed/transport.js';
import { arrayClassOf } from '../../memory/arrays.js';
import { arrayClass, type TensorData } from '../../memory/element-types.js';
import type { FeatureType } from '../../models/feature-source.js';
import type { Inputs } from '../../models/inputs.js';

type NumberArray = Exclude<TargetArray, readonly unknown[]> | Float32Array | Float64Array;
/** Or labels. */
export type Values = NumberArray | readonly unknown[];

/** Class indices, labels, or a share of each class. */
export interface TargetValues {
  readonly values: Values;
  readonly columns: number;
  /** Of a tensor. */
  readonly dims: readonly number[];
  readonly type: unknown;
}

/** Of a rank that has any. */
export interface CheckedRows {
  readonly inputs: Inputs;
  readonly featureNames: readonly string[] | undefined;
  readonly targets: TargetValues;
  readonly sampleWeight: NumberArray | undefined;
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
  'the names of features': kind.featureNames && JSON.stringify(inOrder(kind.featureNames)),
  'the class of targets': kind.targets,
  'the type of labels': kind.labels,
  'the number of targets for each row': kind.columns,
  sampleWeight: kind.weighs ? 'there' : 'missing',
});

/** Features are found by name, unless two have the same. */
const inOrder = (names: readonly string[]): readonly string[] =>
  new Set(names).size === names.length ? names.toSorted() : names;

/** Where each feature is among those of a rank; undefined: in its place. */
function placesOf(
  names: readonly string[] | undefined,
  own: readonly string[] | undefined,
): readonly number[] | undefined {
  if (names === undefined || own === undefined) return undefined;
  const isSame = names.every((name, index) => name === own[index]);
  return isSame ? undefined : names.map((name) => own.indexOf(name));
}

/** Whole rows of a rank, each with its features where all ranks have them. */
function putReordered(
  values: ArrayLike<number>,
  places: readonly number[],
  into: { [index: number]: number | bigint },
  at: number,
): void {
  const features = places.length;
  for (let begin = 0; begin < values.length; begin += features) {
    for (let feature = 0; feature < features; feature++) {
      into[at + begin + feature] = values[begin + places[feature]!]!;
    }
  }
}

/** Of all ranks together in one call. */
const ROUND_BYTES = 32 * 1024 * 1024;

/** The ranks, with their numbers of rows. */
export class RowsOfRanks {
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
  ): Promise<RowsOfRanks> {
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
    return new RowsOfRanks(
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

  /** Features in the order of the first rank that has rows. */
  async gatherInputs(own: CheckedRows | undefined): Promise<TensorData[FeatureType]> {
    const { inputs: type, features, featureNames } = this.kind;
    const className = arrayClass(type).name;
    const places = placesOf(featureNames, own?.featureNames);
    const all = newArray(className, this.rows * features);
    await this.#gather(all, features, async (begin, end) => {
      const some = newArray(className, (end - begin) * features);
      await own?.inputs.visit({ begin, end }, (values, portion) => {
        const at = (rowNumberOf(portion, 0) - begin) * features;
        if (places === undefined) some.set(values as never, at);
        else putReordered(values, places, some, at);
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
