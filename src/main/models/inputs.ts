// The inputs of a classifier: arrays, or rows that the caller fetches on demand. Kernels apply the model's feature scaling tile
// by tile.
import { setImmediate } from 'node:timers/promises';
import { SoftshardError } from '../../errors.js';
import {
  FLOAT32_BYTES,
  INPUTS_BYTES,
  INPUTS_BYTES_BY_FEATURE,
  INPUTS_FLOAT32,
  INPUTS_SCALED_FLOAT32,
  tileStride,
} from '../../kernels/layout.js';
import { NULL_PTR, type Ptr } from '../../kernels/ptr.js';
import { checkBatch, checkColumns, type Float32Rows, type RowsOf } from '../arguments/matrices.js';
import { type Cancellation, unlessAborted } from '../cancellation.js';
import { inspectValue } from '../checks.js';
import { inOrder, MOST_AT_ONCE } from '../data/concurrent.js';
import { RowsOnDisk } from '../data/open-features.js';
import type { Resources } from '../dispatch/resources.js';
import {
  type ChosenRows,
  copyRows,
  countOf,
  portionOf,
  type RowOrigin,
  type RowSource,
  rowNumberOf,
  rowsOf,
} from '../dispatch/row-source.js';
import type { Arena, ArenaScope, Place } from '../memory/arena.js';
import { isArrayOf, typeOf } from '../memory/arrays.js';
import { arrayClass, elementBytes, isTypeFor, type TensorData, typesFor } from '../memory/element-types.js';
import type { Tensor } from '../memory/tensor.js';
import {
  checkFeatureSource,
  checkSourceFeatures,
  type FeatureSource,
  type FeatureType,
  isFeatureSource,
} from './feature-source.js';
import { findNotFinite, type NotFinite } from './not-finite.js';
import { type FeatureScaling, scaleRows } from './scaling.js';

/**
 * Unscaled rows of features: float32, or uint8 (such as images: a quarter of the memory and its traffic). The classifier's
 * featureScaling is applied as they are read, with the bits of scaleFeatures.
 */
export type FeatureRows = Float32Rows | Tensor<'uint8'> | Uint8Array | FeatureSource;

/** What inputs need to know of the model. */
export interface FeatureModel {
  readonly features: number;
  readonly featureScaling?: FeatureScaling | undefined;
}

/** How inputs are stored, for the kernels. */
export interface InputsFormat {
  readonly inputsType: number;
  readonly scaling: Ptr;
}

/** Rows of features in any format. */
export interface Inputs extends RowSource {
  readonly columns: number;
  /** The caller's array, if there is one. */
  readonly elements: ArrayBufferView | undefined;
  /** How to save memory, for an error message. */
  readonly smallerForm: string;
  /** Writes the model's scaling to memory of the scope, for the kernels. */
  placeFormat(arena: Arena, scope: ArenaScope, model: FeatureModel): InputsFormat;
  /** The same rows as float32, scaled by the model (format UNSCALED). */
  scaledBy(model: FeatureModel): RowSource;
  /**
   * Visits the chosen rows, unscaled, in ascending order and some megabytes at a time, until `visit` gives something, which
   * is the result.
   */
  visit<Result>(
    chosen: ChosenRows,
    visit: (values: TensorData[FeatureType], portion: ChosenRows) => Result | undefined,
  ): Promise<Result | undefined>;
  /** The first NaN or infinite feature of the lowest chosen row that has one. */
  findNotFinite(chosen: ChosenRows): Promise<NotFinite | undefined>;
}

/** `signal` cancels the fetching of rows. */
export const checkInputs = (
  { arena, closing }: Resources,
  argument: string,
  value: unknown,
  columns: number | undefined,
  { features }: FeatureModel,
  signal: Cancellation | undefined,
): Inputs =>
  isFeatureSource(value)
    ? checkSource(argument, value, columns, features, signal ? [signal, closing] : [closing])
    : checkArray(arena, argument, value, columns, features);

function checkArray(
  arena: Arena,
  argument: string,
  value: unknown,
  columns: number | undefined,
  features: number,
): Inputs {
  const { type, isBare } = formOf(value);
  const rows = checkBatch(arena, argument, value, isBare ? (columns ?? features) : columns, type);
  if (rows.columns === features)
    return new DenseInputs(type, rows, 'memory', readFrom(type, features, rows.elements));
  const message = `${argument} has ${rows.columns} columns (dims ${inspectValue(rows.dims)}), the classifier has ${features} features`;
  throw new SoftshardError('ERR_SHAPE', message, { argument, value: rows.columns });
}

/** The element type that rows have, or should have. */
function formOf(value: unknown): { readonly type: FeatureType; readonly isBare: boolean } {
  const bare = typesFor('features').find((type) => isArrayOf(type, value));
  const declared = bare ?? typeOf(value);
  return { type: isTypeFor('features', declared) ? declared : 'float32', isBare: bare !== undefined };
}

/** How many features rows have of which no model says so. */
export function featuresOf(
  { arena }: Resources,
  argument: string,
  value: unknown,
  columns: number | undefined,
): number {
  if (isFeatureSource(value)) return checkSourceFeatures(argument, value);
  return checkBatch(arena, argument, value, columns, formOf(value).type).columns;
}

function checkSource(
  argument: string,
  source: FeatureSource,
  columns: number | undefined,
  features: number,
  cancellations: readonly Cancellation[],
): Inputs {
  const { rows, type, features: found } = checkFeatureSource(argument, source);
  if (found !== features) {
    const message = `${argument}.features is ${inspectValue(found)}, the classifier has ${features} features: they must be the same number`;
    throw new SoftshardError('ERR_SHAPE', message, { argument: `${argument}.features`, value: found });
  }
  checkColumns(argument, columns, features, [rows, features]);
  const shape = { rows, columns: features, elements: undefined, ptr: undefined };
  return source instanceof RowsOnDisk
    ? new DenseInputs(type, shape, 'file', readFromDisk(source, type, features))
    : new DenseInputs(type, shape, 'caller', fetchFrom(argument, source, type, features, cancellations));
}

/** The kernels' formats of a type: unscaled, scaled alike for all features, or by feature. */
const FORMATS: {
  readonly [Type in FeatureType]: {
    readonly plain?: number;
    readonly byOne?: number;
    readonly byFeature: number;
  };
} = {
  float32: { plain: INPUTS_FLOAT32, byFeature: INPUTS_SCALED_FLOAT32 },
  uint8: { byOne: INPUTS_BYTES, byFeature: INPUTS_BYTES_BY_FEATURE },
};

/** Float32 without scaling. */
export const UNSCALED: InputsFormat = { inputsType: INPUTS_FLOAT32, scaling: NULL_PTR };

/** In bytes, at most. */
export const scalingBytes = ({ features, featureScaling }: FeatureModel): number =>
  featureScaling === undefined ? 0 : scalingLength(features) * FLOAT32_BYTES;

/** Elements of a shift and a scale for each feature, in rows as a tile's. */
const scalingLength = (features: number): number => 2 * tileStride(features);

/** Writes a scaling by feature to `parts` [scalingLength], as kernels read it. */
export function writeScaling(parts: Float32Array, features: number, { shift, scale }: FeatureScaling): void {
  const stride = tileStride(features);
  parts.fill(0);
  for (const [values, begin] of [
    [shift, 0],
    [scale, stride],
  ] as const) {
    if (typeof values === 'number') parts.fill(values, begin, begin + features);
    else parts.set(values, begin);
  }
}

const NO_SCALING: FeatureScaling = { shift: 0, scale: 1 };

/** Rows are visited this many bytes at a time. */
const VISITED_BYTES = 4 * 1024 * 1024;

type Now<Value> = Value | Promise<Value>;

/** Applies `use` to a value, synchronously unless it is a promise. */
const whenThere = <Value extends object, Result>(
  value: Now<Value>,
  use: (value: Value) => Result,
): Now<Result> => ('then' in value ? value.then(use) : use(value));

/** Gives the chosen rows: in `room`, in a new array, or as a view of the caller's array. */
type Read<Type extends FeatureType> = (chosen: ChosenRows, room?: TensorData[Type]) => Now<TensorData[Type]>;

function readFrom<Type extends FeatureType>(
  type: Type,
  columns: number,
  elements: TensorData[Type],
): Read<Type> {
  return (chosen, room) => {
    if ('begin' in chosen) return rowsOf('inputs', elements, columns, chosen);
    const rows = room ?? new (arrayClass(type))(chosen.length * columns);
    copyRows('inputs', rows, elements, columns, chosen);
    return rows;
  };
}

/** The caller writes to a separate array: a write after the call has been cancelled does no harm there. */
function fetchFrom<Type extends FeatureType>(
  argument: string,
  source: FeatureSource<Type>,
  type: Type,
  features: number,
  cancellations: readonly Cancellation[],
): Read<Type> {
  return async (chosen) => {
    const rowNumbers = Uint32Array.from({ length: countOf(chosen) }, (_, i) => rowNumberOf(chosen, i));
    const { length } = rowNumbers;
    const rows = new (arrayClass(type))(length * features);
    await unlessAborted(source.gather(rowNumbers, rows), cancellations);
    if (rows.length === length * features) return rows;
    const message = `${argument}.gather transferred the array that it has to write into: transfer a copy of it, or none`;
    throw new SoftshardError('ERR_SHAPE', message, { argument, value: rows.length });
  };
}

/** Straight to where they are wanted. A read ends by itself soon, so that a cancelled call can wait for it. */
const readFromDisk =
  <Type extends FeatureType>(source: RowsOnDisk, type: Type, features: number): Read<Type> =>
  async (chosen, room) => {
    const rows = room ?? new (arrayClass(type))(countOf(chosen) * features);
    await source.read(chosen, rows);
    return rows;
  };

/** Rows with an element for each feature. */
class DenseInputs<Type extends FeatureType> implements Inputs {
  readonly what = 'inputs';
  readonly type: Type;
  readonly rows: number;
  readonly columns: number;
  readonly elements: TensorData[Type] | undefined;
  readonly ptr: Ptr | undefined;
  readonly origin: RowOrigin;
  readonly #read: Read<Type>;

  constructor(
    type: Type,
    { rows, columns, elements, ptr }: Omit<RowsOf<TensorData[Type] | undefined>, 'dims'>,
    origin: RowOrigin,
    read: Read<Type>,
  ) {
    this.type = type;
    this.origin = origin;
    this.rows = rows;
    this.columns = columns;
    this.elements = elements;
    this.ptr = ptr;
    this.#read = read;
  }

  get held(): Ptr | undefined {
    return this.ptr;
  }

  get smallerForm(): string {
    return this.type === 'uint8' ? '' : 'pass inputs as bytes (Uint8Array), a quarter of the memory, ';
  }

  bytesOf(rows: number): number {
    return rows * this.columns * elementBytes(this.type);
  }

  gather(place: Place, chosen: ChosenRows): Now<void> {
    const room = place.as(this.type);
    return whenThere(this.#read(chosen, room), (rows) => {
      if (rows !== room) room.set(rows);
    });
  }

  placeFormat(arena: Arena, scope: ArenaScope, { features, featureScaling }: FeatureModel): InputsFormat {
    const { plain, byOne, byFeature } = FORMATS[this.type];
    if (plain !== undefined && featureScaling === undefined) return { inputsType: plain, scaling: NULL_PTR };
    const { shift, scale } = featureScaling ?? NO_SCALING;
    if (byOne !== undefined && typeof shift === 'number' && typeof scale === 'number') {
      const scaling = scope.allocate(2 * FLOAT32_BYTES, 'the feature scaling');
      arena.view('float32', scaling, 2).set([shift, scale]);
      return { inputsType: byOne, scaling };
    }
    const length = scalingLength(features);
    const scaling = scope.allocate(length * FLOAT32_BYTES, 'the feature scaling');
    writeScaling(arena.view('float32', scaling, length), features, { shift, scale });
    return { inputsType: byFeature, scaling };
  }

  scaledBy({ features, featureScaling }: FeatureModel): RowSource {
    if (this.type === 'float32' && featureScaling === undefined) return this;
    const { what, rows, held, origin } = this;
    return {
      what,
      rows,
      ptr: undefined,
      held,
      origin,
      bytesOf: (count) => count * features * FLOAT32_BYTES,
      gather: (place, chosen) => {
        const scaled = place.float32;
        const room = isArrayOf(this.type, scaled) ? scaled : undefined;
        return whenThere(this.#read(chosen, room), (values) =>
          scaleRows(scaled, values, features, featureScaling ?? NO_SCALING),
        );
      },
    };
  }

  async visit<Result>(
    chosen: ChosenRows,
    visit: (values: TensorData[FeatureType], portion: ChosenRows) => Result | undefined,
  ): Promise<Result | undefined> {
    const length = Math.max(1, Math.floor(VISITED_BYTES / this.bytesOf(1)));
    const ascending = 'begin' in chosen ? chosen : chosen.slice().sort();
    const portions = Array.from({ length: Math.ceil(countOf(chosen) / length) }, (_, i) =>
      portionOf(ascending, i * length, (i + 1) * length),
    );
    for await (const [values, some] of this.origin === 'file'
      ? this.#readAhead(portions)
      : this.#readEach(portions)) {
      const result = visit(values, some);
      if (result !== undefined) return result;
    }
    return undefined;
  }

  async *#readEach(portions: readonly ChosenRows[]): AsyncGenerator<[TensorData[Type], ChosenRows]> {
    for (const some of portions) {
      yield [await this.#read(some), some];
      await setImmediate();
    }
  }

  /** The next ones are read meanwhile; what was given is written over afterwards. */
  async *#readAhead(portions: readonly ChosenRows[]): AsyncGenerator<[TensorData[Type], ChosenRows]> {
    const rooms: TensorData[Type][] = [];
    const read = async (index: number) => {
      const some = portions[index]!;
      const length = countOf(some) * this.columns;
      rooms[index % MOST_AT_ONCE] ??= new (arrayClass(this.type))(length);
      // The last portion is shorter.
      const room = rooms[index % MOST_AT_ONCE]!.subarray(0, length) as TensorData[Type];
      return this.#read(some, room);
    };
    const bytesOf = (index: number) => this.bytesOf(countOf(portions[index]!));
    for await (const { item, result } of inOrder(portions.keys(), bytesOf, read)) {
      yield [result, portions[item]!];
    }
  }

  async findNotFinite(chosen: ChosenRows): Promise<NotFinite | undefined> {
    if (this.type === 'uint8') return undefined;
    return this.visit(chosen, (values, some) => {
      const found = findNotFinite(values, this.columns);
      return found && { ...found, row: rowNumberOf(some, found.row) };
    });
  }
}
