// softshard's side of rows.ts: softmax, log-softmax, and cross-entropy with its gradient, in place on rows of logits.

import { NULL_PTR, type Ptr } from '#softshard/kernels/ptr.js';
import { resourcesOf } from '#softshard/main/dispatch/resources.js';
import type { Engine, Matrix, Vector } from '#softshard/main/index.js';
import { fillTargets } from '../cases/values.js';
import { type OpenEngine, serveOurs, timeCalls } from './ours.js';
import type { RowWork } from './rows.js';

interface Operands {
  readonly engine: Engine;
  readonly logits: Matrix;
  readonly targets: Vector<'int32'>;
}

/** Weyl's sequence in [-4, 4): easy to make in any language. */
function fillRows(values: Float32Array): void {
  for (let index = 0; index < values.length; index++) {
    values[index] = ((Math.imul(index, 0x9e3779b1) >>> 0) / 2 ** 32) * 8 - 4;
  }
}

const WORK: Readonly<Record<RowWork, (operands: Operands) => Promise<{ readonly loss?: number }>>> = {
  async softmax({ engine, logits }) {
    await engine.softmax(logits, { into: logits });
    return {};
  },
  async logSoftmax({ engine, logits }) {
    await engine.logSoftmax(logits, { into: logits });
    return {};
  },
  crossEntropyGradient: ({ engine, logits, targets }) =>
    engine.crossEntropyGradient(logits, targets, { into: logits }),
  // What a worker does, without sending it there: the only way to see a kernel whose work is shorter than that.
  async kernel({ engine, logits, targets }) {
    const { kernels } = resourcesOf(engine);
    const [rows, columns] = logits.dims;
    const ptr = ptrOf(logits.data);
    lossSum(engine)[0] = 0;
    kernels.crossEntropyGradientRows(
      ptr,
      NULL_PTR,
      ptrOf(lossSum(engine)),
      ptr,
      ptrOf(targets.data),
      rows,
      columns,
      columns,
      1 / rows,
    );
    return { loss: lossSum(engine)[0]! / rows };
  },
};

/** Of an array in the arena. */
const ptrOf = ({ byteOffset }: ArrayBufferView): Ptr => byteOffset as Ptr;

const lossSums = new Map<Engine, Vector<'float64'>>();

function lossSum(engine: Engine): Float64Array {
  const sum = lossSums.get(engine) ?? engine.vector('float64', 1);
  lossSums.set(engine, sum);
  return sum.data;
}

await serveOurs((open: OpenEngine) => {
  const prepared = new Map<number, Operands>();
  return {
    async prepare({ rows, columns, threads }: { rows: number; columns: number; threads: number[] }) {
      for (const { logits, targets } of prepared.values())
        for (const array of [logits, targets]) array.free();
      prepared.clear();
      for (const count of threads) {
        const engine = await open(count);
        const logits = engine.matrix(rows, columns);
        const targets = engine.vector('int32', rows);
        fillRows(logits.data);
        fillTargets(targets.data, columns);
        prepared.set(count, { engine, logits, targets });
      }
      return undefined;
    },
    /** The loss, and the result's elements at flat indices. */
    async check({ setting, threads, indices }: { setting: RowWork; threads: number; indices: number[] }) {
      const operands = prepared.get(threads)!;
      const { loss = null } = await WORK[setting](operands);
      return { loss, values: indices.map((index) => operands.logits.data[index]!) };
    },
    async run({ setting, threads, repeats }: { setting: RowWork; threads: number; repeats: number }) {
      return timeCalls(repeats, () => WORK[setting](prepared.get(threads)!));
    },
  };
});
