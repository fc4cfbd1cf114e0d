// Values, shapes and memory for random calls, and a digest of what comes back.
import { createHash } from 'node:crypto';
import type {
  ArenaTensor,
  DenseTargets,
  ElementType,
  Engine,
  FloatType,
  Tensor,
  TensorData,
} from '#softshard/main/index.js';
import { randomValues } from '../kernels/workbench.js';
import type { Random } from './random.js';

const POOL = randomValues(1 << 18, 4, 1);

/** Numbers in [-4, 4): the same for the same offset. */
export function valuesAt(offset: number, length: number): Float32Array {
  const values = new Float32Array(length);
  for (let done = 0; done < length; ) {
    const begin = (offset + done) % POOL.length;
    const part = POOL.subarray(begin, begin + length - done);
    values.set(part, done);
    done += part.length;
  }
  return values;
}

/** The same as elements of a type; the half types by their bits. */
export function elementsAt<Type extends FloatType>(
  type: Type,
  offset: number,
  length: number,
): TensorData[Type] {
  const values = valuesAt(offset, length);
  const bits = new Uint32Array(values.buffer);
  const make: { readonly [Each in FloatType]: () => TensorData[Each] } = {
    float32: () => values,
    float64: () => Float64Array.from(values),
    bfloat16: () => Uint16Array.from(bits, (word) => word >>> 16),
    // Sign, an exponent from -3 to 1, and any fraction.
    float16: () =>
      Uint16Array.from(bits, (word) => ((word >>> 16) & 0x8000) | ((12 + (word % 5)) << 10) | (word & 0x3ff)),
  };
  return make[type]();
}

const SPECIAL = [Number.NaN, Infinity, -Infinity, -0, 1e-45, 3e38, -3e38, 88, -104] as const;
const SPECIAL_BITS = [0x7fc0, 0x7f80, 0xff80, 0x8000, 1, 0x7bff, 0xfbff] as const;

/** Some elements become those that arithmetic fears. */
export function spice(random: Random, elements: TensorData[FloatType]): void {
  const special = elements instanceof Uint16Array ? SPECIAL_BITS : SPECIAL;
  for (let count = random.size(8); count > 0; count--) {
    elements[random.below(elements.length)] = random.of<number>(special);
  }
}

/** In [0, 1], as probabilities and weights are. */
export const sharesAt = (offset: number, length: number): Float32Array =>
  valuesAt(offset, length).map((value) => Math.abs(value) / 4);

export type Where = 'arena' | 'plain';

/** Hands out the memory that a call works on, and gives it back. */
export interface Memory {
  tensor<Type extends ElementType>(where: Where, type: Type, dims: readonly number[]): Tensor<Type>;
  /** Throws where something beside what was handed out has been written to. */
  release(): void;
}

const PLAIN = {
  float32: Float32Array,
  float64: Float64Array,
  bfloat16: Uint16Array,
  float16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  uint16: Uint16Array,
  uint8: Uint8Array,
} as const;

export function plainElements<Type extends ElementType>(type: Type, length: number): TensorData[Type] {
  const Elements: new (length: number) => TensorData[ElementType] = PLAIN[type];
  return new Elements(length) as TensorData[Type];
}

export const lengthOf = (dims: readonly number[]): number => dims.reduce((all, dim) => all * dim, 1);

export class EngineMemory implements Memory {
  readonly #engine: Engine;
  readonly #taken: ArenaTensor[] = [];

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  tensor<Type extends ElementType>(where: Where, type: Type, dims: readonly number[]): Tensor<Type> {
    if (where === 'plain') return { type, dims, data: plainElements(type, lengthOf(dims)) };
    const tensor = this.#engine.tensor(type, dims);
    this.#taken.push(tensor);
    return tensor;
  }

  release(): void {
    for (const tensor of this.#taken.splice(0)) tensor.free();
  }
}

/** Where logits lie and what is in them, to be made again for each engine. */
export interface LogitsSpec {
  readonly type: FloatType;
  readonly dims: readonly number[];
  readonly axis: number;
  readonly rows: number;
  readonly columns: number;
  readonly where: Where;
  readonly elements: TensorData[FloatType];
}

/** How many elements a call works on: 'tiny' ones are the calling thread's, 'large' ones take some 10 ms or more. */
export type Size = 'tiny' | 'small' | 'large';
const ELEMENTS: Readonly<Record<Size, readonly [least: number, most: number]>> = {
  tiny: [1, 2000],
  small: [150_000, 300_000],
  large: [1_000_000, 3_000_000],
};

const FLOAT_TYPES: readonly FloatType[] = ['float32', 'float32', 'float32', 'float64', 'bfloat16', 'float16'];

export function randomLogits(random: Random, size: Size, type = random.of(FLOAT_TYPES)): LogitsSpec {
  const wanted = random.between(...ELEMENTS[size]);
  // Rows beyond 100,000 would take longer to make targets for than to attack.
  const columns = Math.min(wanted, Math.max(random.size(2000), Math.ceil(wanted / 100_000)));
  const rows = Math.max(1, Math.floor(wanted / columns));
  const inner = random.chance(0.25) ? Math.min(rows, random.size(50)) : 1;
  const outer = Math.max(1, Math.floor(rows / inner));
  const dims = inner === 1 && random.chance(0.8) ? [outer, columns] : [outer, columns, inner];
  const elements = elementsAt(type, random.below(POOL.length), lengthOf(dims));
  if (random.chance(0.2)) spice(random, elements);
  const where = random.of(['arena', 'plain'] as const);
  return { type, dims, axis: 1, rows: outer * inner, columns, where, elements };
}

export function placed<Type extends ElementType>(
  memory: Memory,
  where: Where,
  type: Type,
  dims: readonly number[],
  elements: TensorData[Type],
): Tensor<Type> {
  const tensor = memory.tensor(where, type, dims);
  // One of a union of array classes: each of them takes its own kind.
  (tensor.data as Float32Array).set(elements as Float32Array);
  return tensor;
}

export type TargetsSpec = Int32Array | Uint8Array | BigInt64Array | readonly number[];

/** A class for each row; now and then one that is ignored. */
export function randomClasses(random: Random, rows: number, columns: number): TargetsSpec {
  const offset = random.below(POOL.length);
  const ignored = random.chance(0.3) ? random.size(20) : 0;
  const classes = Int32Array.from(valuesAt(offset, rows), (value, row) =>
    ignored > 0 && row % ignored === 1
      ? -100
      : Math.min(columns - 1, Math.floor(((value + 4) / 8) * columns)),
  );
  const kind = random.below(6);
  if (kind === 0 && ignored === 0 && columns <= 256) return Uint8Array.from(classes);
  if (kind === 1) return BigInt64Array.from(classes, BigInt);
  return kind === 2 ? [...classes] : classes;
}

export function randomShares(random: Random, { type, dims }: LogitsSpec): DenseTargets {
  const values = sharesAt(random.below(POOL.length), lengthOf(dims));
  return type === 'float64' ? Float64Array.from(values) : values;
}

/** Times differ from run to run. */
const TIMES = ['durationMs', 'rowsPerSecond'];

const isTensor = (value: object): value is Tensor => 'type' in value && 'dims' in value && 'data' in value;

/** A digest of all numbers and texts in what a call gives, whatever its shape. */
export function digestOf(value: unknown): string {
  const hash = createHash('sha1');
  const take = (part: unknown): void => {
    if (ArrayBuffer.isView(part)) {
      // The hash does not take shared memory.
      hash.update(Uint8Array.from(new Uint8Array(part.buffer, part.byteOffset, part.byteLength)));
    } else if (typeof part === 'number') {
      hash.update(Float64Array.of(part));
    } else if (typeof part !== 'object' || part === null) {
      hash.update(String(part));
    } else if (isTensor(part)) {
      hash.update(`${part.type} ${part.dims.join()}`);
      take(part.data);
    } else {
      for (const key of Object.keys(part).sort()) {
        if (TIMES.includes(key)) continue;
        hash.update(`${key}:`);
        take(part[key as keyof typeof part]);
      }
    }
  };
  take(value);
  return hash.digest('hex').slice(0, 20);
}

/** Gives back the tensors among a call's results that lie in the arena. */
export function freeResults(value: unknown): void {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return;
  if ('free' in value && typeof value.free === 'function') value.free();
  else if (!isTensor(value)) for (const part of Object.values(value)) freeResults(part);
}
