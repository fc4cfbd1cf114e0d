// Targets that change while a call runs, in shared memory or between two windows: never counted as ignored without a word.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, SoftmaxClassifier, type Targets } from '#softshard/main/index.js';
import { randomValues } from '../../kernels/workbench.js';

const ROWS = 4000;
const COLUMNS = 10;
const IGNORED = -7;

describe('targets in the arena that are no classes any more when the workers come to them', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2, arenaBytes: 16 * 1024 * 1024 });
  });
  afterAll(() => engine.close());

  const logits = {
    type: 'float32',
    dims: [ROWS, COLUMNS],
    data: randomValues(ROWS * COLUMNS, 1, 1),
  } as const;
  const shares = { ...logits, data: logits.data.map(Math.abs) };
  const weights = { type: 'float32', dims: [COLUMNS, COLUMNS], data: randomValues(100, 1, 2) } as const;
  const classifier = () => new SoftmaxClassifier(engine, { features: COLUMNS, classes: COLUMNS });
  const ignore = { ignoreIndex: IGNORED };

  type Call = (targets: Targets) => Promise<unknown>;
  const calls: readonly [string, Call][] = [
    ['crossEntropy', (targets) => engine.crossEntropy(logits, targets, ignore)],
    ['with options', (targets) => engine.crossEntropy(logits, targets, { ...ignore, labelSmoothing: 0.1 })],
    [
      'linearCrossEntropy',
      (targets) => engine.linearCrossEntropy(logits, weights, undefined, targets, ignore),
    ],
    ['nllLoss', (targets) => engine.nllLoss(logits, targets, ignore)],
    ['distillation', (targets) => engine.distillation(logits, logits, targets, ignore)],
    [
      'metrics.add',
      async (targets) => {
        const metrics = engine.metrics({ classes: COLUMNS, ...ignore });
        await metrics.add(logits, targets);
        return metrics.report();
      },
    ],
    ['evaluate', (targets) => classifier().evaluate(logits, targets, ignore)],
    [
      'fit',
      async (targets) => {
        const model = classifier();
        await model.fit(logits, targets, { ...ignore, epochs: 1 });
        return model.weights;
      },
    ],
  ];
  const withoutIgnored: readonly [string, Call][] = [
    ['crossEntropyOfProbabilities', (targets) => engine.crossEntropyOfProbabilities(shares, targets)],
    ['meanSquaredError', (targets) => engine.meanSquaredError(logits, targets)],
    ['of the softmax', (targets) => engine.meanSquaredError(logits, targets, { fromLogits: true })],
  ];

  const refused = { code: 'ERR_TARGET_RANGE', argument: 'targets', row: expect.any(Number) };

  /** Of one call undisturbed, and of one whose targets change as soon as it has begun. */
  async function both(call: Call, ignored: boolean): Promise<readonly [unknown, unknown]> {
    using targets = engine.vector('int32', ROWS);
    const fill = () =>
      targets.data.forEach((_, row) => {
        targets.data[row] = ignored && row % 9 === 0 ? IGNORED : row % COLUMNS;
      });
    fill();
    const undisturbed = await call(targets);
    fill();
    const disturbed = call(targets);
    for (let row = 0; row < ROWS; row++) if (targets.data[row] !== IGNORED) targets.data[row] = -1;
    return [undisturbed, await disturbed.catch((error: unknown) => ({ error }))];
  }

  test.each([...calls, ...withoutIgnored])(
    '%s: refused, or taken as they were at the call (R10)',
    async (_, call) => {
      const [undisturbed, disturbed] = await both(call, false);
      if (Object.hasOwn(disturbed as object, 'error')) expect(disturbed).toMatchObject({ error: refused });
      else expect(disturbed).toEqual(undisturbed);
    },
  );

  test.each(calls)('%s: the same beside rows that are to be ignored (R10)', async (_, call) => {
    const [undisturbed, disturbed] = await both(call, true);
    if (Object.hasOwn(disturbed as object, 'error')) expect(disturbed).toMatchObject({ error: refused });
    else expect(disturbed).toEqual(undisturbed);
  });
});

test.each<[string, (rows: number) => Targets, unknown]>([
  ['a plain array', (rows) => Array<number>(rows).fill(0), 0.5],
  ['a plain array', (rows) => Array<number>(rows).fill(0), 2 ** 32],
  ['a plain array', (rows) => Array<number>(rows).fill(0), 'text'],
  ['a BigInt64Array', (rows) => new BigInt64Array(rows), 2n ** 32n],
  ['a Uint32Array', (rows) => new Uint32Array(rows), 2 ** 31],
])(
  '%s that changes between two windows is refused, not rounded to a class (R10)',
  async (_, newTargets, none) => {
    // Room for small windows only.
    await using engine = await Engine.create({ threads: 1, arenaBytes: 1024 * 1024 });
    const rows = 40_000;
    const logits = new Float32Array(rows * COLUMNS);
    for (const call of [engine.crossEntropy, engine.nllLoss, engine.crossEntropyOfProbabilities]) {
      const targets = newTargets(rows) as unknown[] & Targets;
      const running = call.call(engine, logits, targets, { columns: COLUMNS });
      (targets as unknown[]).fill(none);
      await expect(running).rejects.toMatchObject({ code: 'ERR_TARGET_RANGE' });
    }
  },
);

test('metrics refuse a row that was to be ignored and becomes a class while they count (R10)', async () => {
  await using engine = await Engine.create({ threads: 1, arenaBytes: 1024 * 1024 });
  const rows = 40_000;
  const metrics = engine.metrics({ classes: COLUMNS, ignoreIndex: IGNORED });
  const targets = new Int32Array(rows).fill(IGNORED);
  const logits = { type: 'float32', dims: [rows, COLUMNS], data: new Float32Array(rows * COLUMNS) } as const;
  const running = metrics.add(logits, targets);
  targets.fill(0);
  await expect(running).rejects.toMatchObject({ code: 'ERR_TARGET_RANGE' });
  expect(metrics.report()).toMatchObject({ rows: 0, ignored: 0 });
});

test('of rows whose targets change, the lowest is named, whoever finds which when (R10)', async () => {
  await using engine = await Engine.create({ threads: 3 });
  // Copied in when the call has given way once.
  const targets = new Int32Array(200_000);
  using logits = engine.matrix(targets.length, COLUMNS);
  const calls = [
    () => engine.crossEntropy(logits, targets),
    () => engine.crossEntropy(logits, targets, { labelSmoothing: 0.1 }),
    () => engine.nllLoss(logits, targets),
  ];
  for (const call of calls) {
    targets.fill(0);
    const running = call();
    targets.fill(-1, 7);
    await expect(running).rejects.toMatchObject({ code: 'ERR_TARGET_RANGE', row: 7 });
  }
});
