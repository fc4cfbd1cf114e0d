// The rows a classifier works on: arrays as callers hand them in, or rows that they fetch when asked. Kernels scale them tile
// by tile as the model wants them.
import { SoftshardError } from '../../errors.js';
import {
  FLOAT32_BYTES,
  INPUTS_BYTES,
  INPUTS_BYTES_BY_FEATURE,
  INPUTS_FLOAT32,
  INPUTS_SCALED_FLOAT32,
  tileStride,
} from '../../kernels/layout.js';
import type { Ptr } from '../../kernels/ptr.js';
import { checkFunction, checkInteger, checkOneOf, inspectValue } from '../arguments/checks.js';
import { checkBatch, checkColumns, type Float32Rows, type RowsOf } from '../arguments/matrices.js';
import { checkStillThere } from '../arguments/targets.js';
import type { Resources } from '../dispatch/resources.js';
import {
  type ChosenRows,
  copyRows,
  countOf,
  portionOf,
  type RowSource,
  rowNumberOf,
  rowsOf,
} from '../dispatch/row-source.js';
import type { Arena, ArenaScope, Place } from '../memory/arena.js';
import { isArrayOf, typeOf } from '../memory/arrays.js';
import {
  arrayClass,
  elementBytes,
  isTypeFor,
  type TensorData,
  type TypeFor,
  typesFor,
} from '../memory/element-types.js';
import type { Tensor } from '../memory/tensor.js';
import { findNotFinite, type NotFinite } from './not-finite.js';
import { type FeatureScaling, scaleRows } from './scaling.js';

export type FeatureType = TypeFor<'features'>;

/**
 * Rows of features that are fetched when they are needed: from files, a database or a formula, however many they are. Every
 * result has the bits that an array of the same rows gives.
 */
export interface FeatureSource<Type extends FeatureType = FeatureType> {
  readonly rows: number;
  readonly features: number;
  readonly type: Type;
  /**
   * Writes the rows with these numbers, in this order, into `into` [rowNumbers.length × features], now or by the time the
   * promise it gives is resolved. It is asked for some megabytes at a time, and for any row as often as it is needed.
   */
  gather(rowNumbers: Uint32Array, into: TensorData[Type]): void | Promise<void>;
}

/**
 * Rows of features as they are, unscaled: float32, or uint8 (a quarter of the memory and its traffic: images are like
 * that). The classifier's featureScaling is applied to them as they are read, with the bits of scaleFeatures.
 */
export type FeatureRows =
  | Float32Rows
  | Tensor<'uint8'>
  | Uint8Array
  | FeatureSource<'float32'>
  | FeatureSource<'uint8'>;

/** The shape and the scaling of the model that the rows are for. */
export interface FeatureModel {
  readonly features: number;
  readonly featureScaling?: FeatureScaling | undefined;
}

/** What tells the kernels how inputs are kept. */
export interface InputsFormat {
  readonly inputsType: number;
  readonly scaling: Ptr;
}

/** Rows of features, of any format. */
export interface Inputs extends RowSource {
  readonly columns: number;
  /** The caller's array, where there is one. */
  readonly elements: ArrayBufferView | undefined;
  /** How to make them take less memory, for an error. */
  readonly smallerForm: string;
  /** Puts the model's scaling where kernels find it; the memory is the scope's. */
  placeFormat(arena: Arena, scope: ArenaScope, model: FeatureModel): InputsFormat;
  /** The same rows, of the format UNSCALED: float32, scaled by the model. */
  scaledBy(model: FeatureModel): RowSource;
  /** The first feature that is NaN or infinite in the lowest of the chosen rows that has one. */
  findNotFinite(chosen: ChosenRows): Promise<NotFinite | undefined>;
}

export const checkInputs = (
  { arena }: Resources,
  argument: string,
  value: unknown,
  columns: number | undefined,
  { features }: FeatureModel,
): Inputs =>
  isFeatureSource(value)
    ? checkSource(argument, value, columns, features)
    : checkArray(arena, argument, value, columns, features);

function checkArray(
  arena: Arena,
  argument: string,
  value: unknown,
  columns: number | undefined,
  features: number,
): Inputs {
  const bare = typesFor('features').find((type) => isArrayOf(type, value));
  const declared = bare ?? typeOf(value);
  const type = isTypeFor('features', declared) ? declared : 'float32';
  const rows = checkBatch(arena, argument, value, bare === undefined ? columns : (columns ?? features), type);
  if (rows.columns === features) return new ArrayInputs(type, rows);
  const message = `${argument} has ${rows.columns} columns (dims ${inspectValue(rows.dims)}), the classifier has ${features} features`;
  throw new SoftshardError('ERR_SHAPE', message, { argument, value: rows.columns });
}

const isFeatureSource = (value: unknown): value is FeatureSource =>
  typeof value === 'object' && value !== null && 'gather' in value;

function checkSource(
  argument: string,
  source: FeatureSource,
  columns: number | undefined,
  features: number,
): Inputs {
  const rows = checkInteger(`${argument}.rows`, source.rows, 0, 2 ** 32 - 1);
  const type = checkOneOf(`${argument}.type`, source.type, typesFor('features'), 'ERR_TYPE');
  checkFunction(`${argument}.gather`, source.gather);
  const { features: found } = source;
  if (found !== features) {
    const message = `${argument}.features is ${inspectValue(found)}, the classifier has ${features} features`;
    throw new SoftshardError('ERR_SHAPE', message, { argument, value: found });
  }
  checkColumns(argument, columns, features, [rows, features]);
  return new FetchedInputs(type, rows, features, source, argument);
}

/** By type: as it is, scaled by one number for all features, or by one for each. */
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

/** Of float32 that is taken as it is. */
export const UNSCALED: InputsFormat = { inputsType: INPUTS_FLOAT32, scaling: 0 };

/** In bytes; one number for all features takes less. */
export const scalingBytes = ({ features, featureScaling }: FeatureModel): number =>
  featureScaling === undefined ? 0 : 2 * tileStride(features) * FLOAT32_BYTES;

const NONE: FeatureScaling = { shift: 0, scale: 1 };

/** Rows that are looked through at a time. */
const SEARCHED_BYTES = 4 * 1024 * 1024;

/** Rows of as many elements as there are features. */
abstract class DenseInputs<Type extends FeatureType> implements Inputs {
  readonly what = 'inputs';
  readonly type: Type;
  readonly rows: number;
  readonly columns: number;
  abstract readonly elements: TensorData[Type] | undefined;
  abstract readonly ptr: Ptr | undefined;
  abstract readonly isAtHand: boolean;

  constructor(type: Type, rows: number, columns: number) {
    this.type = type;
    this.rows = rows;
    this.columns = columns;
  }

  abstract gather(place: Place, chosen: ChosenRows): void | Promise<void>;

  /** The chosen rows: a view of the caller's, in `room` where one is given, or in an array of their own. */
  protected abstract read(
    chosen: ChosenRows,
    room?: TensorData[Type],
  ): TensorData[Type] | Promise<TensorData[Type]>;

  get held(): Ptr | undefined {
    return this.ptr;
  }

  get smallerForm(): string {
    return this.type === 'uint8' ? '' : 'pass inputs as bytes (Uint8Array), a quarter of the memory, ';
  }

  bytesOf(rows: number): number {
    return rows * this.columns * elementBytes(this.type);
  }

  placeFormat(arena: Arena, scope: ArenaScope, { features, featureScaling }: FeatureModel): InputsFormat {
    const { plain, byOne, byFeature } = FORMATS[this.type];
    if (plain !== undefined && featureScaling === undefined) return { inputsType: plain, scaling: 0 };
    const { shift, scale } = featureScaling ?? NONE;
    if (byOne !== undefined && typeof shift === 'number' && typeof scale === 'number') {
      const scaling = scope.allocate(8, 'the feature scaling');
      arena.view('float32', scaling, 2).set([shift, scale]);
      return { inputsType: byOne, scaling };
    }
    const stride = tileStride(features);
    const scaling = scope.allocate(2 * stride * FLOAT32_BYTES, 'the feature scaling');
    const view = arena.view('float32', scaling, 2 * stride).fill(0);
    for (const [values, begin] of [
      [shift, 0],
      [scale, stride],
    ] as const) {
      if (typeof values === 'number') view.fill(values, begin, begin + features);
      else view.set(values, begin);
    }
    return { inputsType: byFeature, scaling };
  }

  scaledBy({ features, featureScaling }: FeatureModel): RowSource {
    if (this.type === 'float32' && featureScaling === undefined) return this;
    const { what, rows, held, isAtHand } = this;
    return {
      what,
      rows,
      ptr: undefined,
      held,
      isAtHand,
      bytesOf: (count) => count * features * FLOAT32_BYTES,
      gather: (place, chosen) => {
        const scaled = place.float32;
        const scale = (values: Float32Array | Uint8Array) =>
          scaleRows(scaled, values, features, featureScaling ?? NONE);
        const values = this.read(chosen, isArrayOf(this.type, scaled) ? scaled : undefined);
        return 'then' in values ? values.then(scale) : scale(values);
      },
    };
  }

  async findNotFinite(chosen: ChosenRows): Promise<NotFinite | undefined> {
    if (this.type === 'uint8') return undefined;
    const portion = Math.max(1, Math.floor(SEARCHED_BYTES / this.bytesOf(1)));
    const ascending = 'begin' in chosen ? chosen : chosen.slice().sort();
    for (let begin = 0; begin < countOf(chosen); begin += portion) {
      const some = portionOf(ascending, begin, begin + portion);
      const values = await this.read(some);
      const found = findNotFinite(values, this.columns);
      if (found !== undefined) return { ...found, row: rowNumberOf(some, found.row) };
    }
    return undefined;
  }
}

class ArrayInputs<Type extends FeatureType> extends DenseInputs<Type> {
  readonly elements: TensorData[Type];
  readonly ptr: Ptr | undefined;
  readonly isAtHand = true;

  constructor(type: Type, { rows, columns, elements, ptr }: RowsOf<TensorData[Type]>) {
    super(type, rows, columns);
    this.elements = elements;
    this.ptr = ptr;
  }

  gather(place: Place, chosen: ChosenRows): void {
    copyRows(this.what, place.as(this.type), this.elements, this.columns, chosen);
  }

  protected read(chosen: ChosenRows, room?: TensorData[Type]): TensorData[Type] {
    const { what, type, columns, elements } = this;
    if ('begin' in chosen) return rowsOf(what, elements, columns, chosen);
    const copied = room ?? new (arrayClass(type))(chosen.length * columns);
    copyRows(what, copied, elements, columns, chosen);
    return copied;
  }
}

/** Rows that the caller fetches, into memory of their own: what is written late does no harm there. */
class FetchedInputs<Type extends FeatureType> extends DenseInputs<Type> {
  readonly elements = undefined;
  readonly ptr = undefined;
  readonly isAtHand = false;
  readonly #source: FeatureSource<Type>;
  readonly #argument: string;

  constructor(type: Type, rows: number, features: number, source: FeatureSource<Type>, argument: string) {
    super(type, rows, features);
    this.#source = source;
    this.#argument = argument;
  }

  async gather(place: Place, chosen: ChosenRows): Promise<void> {
    const rows = await this.read(chosen);
    place.as(this.type).set(rows);
  }

  protected async read(chosen: ChosenRows): Promise<TensorData[Type]> {
    const length = countOf(chosen) * this.columns;
    const into = new (arrayClass(this.type))(length);
    const rowNumbers =
      'begin' in chosen
        ? Uint32Array.from({ length: countOf(chosen) }, (_, i) => chosen.begin + i)
        : chosen.slice();
    await this.#source.gather(rowNumbers, into);
    checkStillThere(this.#argument, into.length, length);
    return into;
  }
}
