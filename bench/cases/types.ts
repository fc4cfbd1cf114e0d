// Softmax and cross-entropy gradients of logits that are not float32 rows: other element types, and classes that do not
// lie together.

import { crossEntropyGradient, softmax } from '#softshard/kernels/reference/index.js';
import type { ArenaTensor, Engine, FloatType, Vector } from '#softshard/main/index.js';
import type { BenchCase, PreparedCase } from './case.js';
import { checkClose, fillTargets, sampleRows } from './values.js';

const [ROWS, COLUMNS] = [8192, 1000];
/** Images of 32 × 32 pixels with a class each: [images × classes × pixels]. */
const STRIDED = [64, 128, 1024] as const;
const ROWS_CHECKED = 8;

interface TypedLogits {
  /** Bytes of an element. */
  readonly bytes: number;
  /** Of a result, relative: what the type rounds to. */
  readonly tolerance: number;
  store(value: number): number;
  load(bits: number): number;
}

const words = new Float32Array(1);
const bits = new Uint32Array(words.buffer);

const same = (value: number): number => value;

/** Multiples of 1/4 from -4 to 4: all types hold them exactly. */
const valueAt = (index: number): number => ((index * 7919) % 33) / 4 - 4;

const TYPES: Readonly<Record<Exclude<FloatType, 'float32'>, TypedLogits>> = {
  float64: { bytes: 8, tolerance: 1e-13, store: same, load: same },
  bfloat16: {
    bytes: 2,
    tolerance: 2 ** -8,
    store(value) {
      words[0] = value;
      return bits[0]! >>> 16;
    },
    load(half) {
      bits[0] = half << 16;
      return words[0]!;
    },
  },
  float16: {
    bytes: 2,
    tolerance: 2 ** -10,
    store(value) {
      if (value === 0) return 0;
      const exponent = Math.floor(Math.log2(Math.abs(value)));
      const fraction = (Math.abs(value) / 2 ** exponent - 1) * 1024;
      return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | fraction;
    },
    load(half) {
      const exponent = (half >> 10) & 31;
      const fraction = (half & 1023) / 1024;
      const magnitude = exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15);
      return half & 0x8000 ? -magnitude : magnitude;
    },
  },
};

/** Smallest results that are compared relatively: below, float16 has few bits. */
const ABSOLUTE = 1e-6;

type Work = 'softmax' | 'crossEntropyGradient';

export const typeCases: readonly BenchCase[] = [
  ...(Object.keys(TYPES) as (keyof typeof TYPES)[]).flatMap((type) =>
    (['softmax', 'crossEntropyGradient'] as const).map(
      (work): BenchCase => ({
        name: `${work}, ${type}`,
        shape: `${ROWS} × ${COLUMNS}`,
        quick: false,
        bytes: 2 * ROWS * COLUMNS * TYPES[type].bytes,
        work: (ROWS * COLUMNS) / 1e9,
        rateUnit: 'Ge/s',
        prepare: (engine) => prepareTyped(engine, type, work),
      }),
    ),
  ),
  {
    name: 'softmax along axis 1',
    shape: STRIDED.join(' × '),
    quick: false,
    bytes: STRIDED.reduce((product, dim) => product * dim, 8),
    work: STRIDED.reduce((product, dim) => product * dim, 1e-9),
    rateUnit: 'Ge/s',
    prepare: prepareStrided,
  },
];

function prepareTyped(engine: Engine, type: keyof typeof TYPES, work: Work): PreparedCase {
  const { store, load, tolerance } = TYPES[type];
  const logits = engine.tensor(type, [ROWS, COLUMNS]);
  const output = engine.tensor(type, [ROWS, COLUMNS]);
  const targets = engine.vector('int32', ROWS);
  for (let index = 0; index < ROWS * COLUMNS; index++) logits.data[index] = store(valueAt(index));
  fillTargets(targets.data, COLUMNS);
  const compute = (): Promise<unknown> =>
    work === 'softmax'
      ? engine.softmax(logits, { into: output })
      : engine.crossEntropyGradient(logits, targets, { reduction: 'sum', into: output });
  return {
    async check() {
      await compute();
      for (const row of sampleRows(ROWS, ROWS_CHECKED)) {
        const elements = Array.from({ length: COLUMNS }, (_, column) => row * COLUMNS + column);
        const values = elements.map(valueAt);
        const target = [targets.data[row]!];
        const expected =
          work === 'softmax' ? softmax(values) : crossEntropyGradient(values, target, 1, COLUMNS, 1);
        const got = elements.map((index) => load(output.data[index]!));
        checkClose(`row ${row}`, got, expected, { relative: tolerance, absolute: ABSOLUTE });
      }
    },
    async run() {
      await compute();
      return undefined;
    },
    free: () => freeAll([logits, output, targets]),
  };
}

function prepareStrided(engine: Engine): PreparedCase {
  const [images, classes, pixels] = STRIDED;
  const logits = engine.tensor('float32', STRIDED);
  const output = engine.tensor('float32', STRIDED);
  for (let index = 0; index < logits.data.length; index++) logits.data[index] = valueAt(index);
  const compute = () => engine.softmax(logits, { axis: 1, into: output });
  return {
    async check() {
      await compute();
      for (const row of sampleRows(images * pixels, ROWS_CHECKED)) {
        const begin = Math.floor(row / pixels) * classes * pixels + (row % pixels);
        const elements = Array.from({ length: classes }, (_, j) => begin + j * pixels);
        const got = elements.map((index) => output.data[index]!);
        checkClose(`row ${row}`, got, softmax(elements.map(valueAt)), { relative: 1e-5, absolute: 0 });
      }
    },
    async run() {
      await compute();
      return undefined;
    },
    free: () => freeAll([logits, output]),
  };
}

function freeAll(arrays: readonly (ArenaTensor | Vector)[]): void {
  for (const array of arrays) array.free();
}
