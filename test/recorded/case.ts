// What a recorded case is: a computation by the public API alone, on arrays that lie in the arena or outside.
import type { ElementType, Engine, Tensor, TensorData } from '#softshard/main/index.js';

export type TypedArray = TensorData[ElementType] | Int8Array;
/** Of text the UTF-8 bytes are recorded. */
export type Value = number | string | TypedArray;
export type Values = Readonly<Record<string, Value | undefined>>;

/** Where a case runs. */
export interface Place {
  readonly engine: Engine;
  /** A tensor with these elements, in the arena or as a plain one; freed at the end of the case. */
  put<Type extends ElementType>(type: Type, dims: readonly number[], data: TensorData[Type]): Tensor<Type>;
  /** A copy of a result's elements; what it had of the arena is given back. */
  take(tensor: Tensor | undefined): TypedArray | undefined;
  /** A folder of the case's own. */
  folder(): string;
}

export interface Case {
  /** Names the operation, the types, the options and the shape. */
  readonly name: string;
  /**
   * Where the case runs with as little memory as it can do with, so that arrays pass through the arena in windows or
   * stages: the bytes that are tried first. Default: DEFAULT_ROOM; 0: it does not run so.
   */
  readonly room?: number;
  run(place: Place): Promise<Values>;
}

export const DEFAULT_ROOM = 128 * 1024;

/** What losses tell beside gradients. */
interface LossSums {
  readonly loss: number;
  readonly lossSum: number;
  readonly weightSum: number;
  readonly losses?: TypedArray;
}

export const lossValues = ({ loss, lossSum, weightSum, losses }: LossSums): Values => ({
  loss,
  lossSum,
  weightSum,
  losses,
});

/** Of NaN there are many bits, of which JavaScript promises none: these are always the same. */
export const float64 = (numbers: Iterable<number>): Float64Array =>
  Float64Array.from(numbers, (number) => (Number.isNaN(number) ? Number.NaN : number));

/** The same values, their names with something in front. */
export const named = (prefix: string, values: Values): Values =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}${name}`, value]));

/** The dimensions and what else tells two cases apart. */
export const shapeName = (dims: readonly number[]): string => `[${dims.join(' × ')}]`;
