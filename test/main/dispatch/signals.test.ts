// Signals that are not Node's own: of jsdom, a polyfill, another realm, or broken. They cancel like others, or are refused,
// and never stop the engine.
import { getEventListeners } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { runInNewContext } from 'node:vm';
import { Piscina } from 'piscina';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  Engine,
  hostMemory,
  openNpy,
  readMatrix,
  SoftmaxClassifier,
  SoftshardError,
  writeNpy,
} from '#softshard/main/index.js';
import { failure } from '../../failure.js';

type Listener = () => void;

/** As old polyfills: no reason, no throwIfAborted, not an EventTarget. */
class Polyfill {
  aborted = false;
  readonly listeners = new Set<Listener>();
  addEventListener(_: string, listener: Listener) {
    this.listeners.add(listener);
  }
  removeEventListener(_: string, listener: Listener) {
    this.listeners.delete(listener);
  }
  abort() {
    this.aborted = true;
    for (const listener of this.listeners) listener();
  }
}

class WithReason extends Polyfill {
  readonly reason = new Error('enough');
}

const ofAnotherRealm = (): WithReason =>
  runInNewContext(`({
    aborted: false, listeners: new Set(), reason: new Error('of another realm'),
    addEventListener(_, listener) { this.listeners.add(listener); },
    removeEventListener(_, listener) { this.listeners.delete(listener); },
    abort() { this.aborted = true; for (const listener of this.listeners) listener(); },
  })`);

const asSignal = (signal: object): AbortSignal => signal as AbortSignal;

let engine: Engine;
let folder: string;
beforeAll(async () => {
  engine = await Engine.create({ threads: 2 });
  folder = await mkdtemp(join(tmpdir(), 'softshard-signals-'));
  await writeFile(join(folder, 'a.csv'), '1,2\n3,4\n');
  await writeNpy(join(folder, 'a.npy'), { dims: [2, 2], data: Float32Array.of(1, 2, 3, 4) });
});
afterAll(async () => {
  await engine.close();
  await rm(folder, { recursive: true });
});

/** Keeps the workers busy until it is told to end. */
async function busyEngine(): Promise<{ end(): Promise<void> }> {
  let end = () => {};
  const gate = new Promise<void>((resolve) => {
    end = resolve;
  });
  const run = vi.spyOn(Piscina.prototype, 'run').mockImplementation(async () => {
    await gate;
    return { state: 'done' };
  });
  const logits = engine.matrix(2000, 100);
  const running = engine.logSumExp(logits).finally(() => logits.free());
  await setImmediate();
  run.mockRestore();
  return {
    end: async () => {
      end();
      await running;
    },
  };
}

/** `count` rows of as many columns as there are classes. */
const shapeOf = (count: number, columns: number) => ({
  columns,
  rows: { type: 'float32', dims: [count, columns], data: new Float32Array(count * columns) } as const,
  weights: { type: 'float32', dims: [columns, columns], data: new Float32Array(columns ** 2) } as const,
  shares: new Float32Array(count * columns).fill(1 / columns),
  classes: Int32Array.from({ length: count }, (_, row) => row % columns),
});

/** What the calling thread does at once. */
const tiny = shapeOf(4, 3);
/** What waits for the workers. */
const large = shapeOf(24_000, 7);
const { rows, weights, classes } = tiny;

type Call = (signal: AbortSignal) => Promise<unknown>;
const classifier = (columns = 3) => new SoftmaxClassifier(engine, { features: columns, classes: columns });
const computationsOn = ({
  columns,
  rows,
  weights,
  shares,
  classes,
}: ReturnType<typeof shapeOf>): readonly [string, Call][] => [
  ['softmax', (signal) => engine.softmax(rows, { signal })],
  ['logSoftmax', (signal) => engine.logSoftmax(rows, { signal, axis: 0 })],
  ['logSumExp', (signal) => engine.logSumExp(rows, { signal })],
  ['crossEntropy', (signal) => engine.crossEntropy(rows, classes, { signal })],
  ['with options', (signal) => engine.crossEntropyGradient(rows, classes, { signal, zLoss: 1 })],
  [
    'linearCrossEntropy',
    (signal) => engine.linearCrossEntropy(rows, weights, undefined, classes, { signal }),
  ],
  ['nllLoss', (signal) => engine.nllLoss(rows, classes, { signal })],
  ['crossEntropyOfProbabilities', (signal) => engine.crossEntropyOfProbabilities(rows, classes, { signal })],
  ['meanSquaredErrorGradient', (signal) => engine.meanSquaredErrorGradient(rows, classes, { signal })],
  ['klDivergence', (signal) => engine.klDivergence(rows, { targetLogits: rows }, { signal })],
  ['distillation', (signal) => engine.distillation(rows, rows, classes, { signal })],
  ['binaryCrossEntropy', (signal) => engine.binaryCrossEntropyWithLogits(rows, shares, { signal })],
  ['metrics.add', (signal) => engine.metrics({ classes: columns }).add(rows, classes, { signal })],
  ['fit', (signal) => classifier(columns).fit(rows, classes, { signal })],
  ['fit by steps', (signal) => classifier(columns).fit(rows, classes, { signal, epochs: 2 })],
  ['predict', (signal) => classifier(columns).predict(rows, { signal })],
  ['predictProbabilities', (signal) => classifier(columns).predictProbabilities(rows, { signal })],
  ['evaluate', (signal) => classifier(columns).evaluate(rows, classes, { signal })],
];
const readers: readonly [string, Call][] = [
  ['readMatrix', (signal) => readMatrix(hostMemory, join(folder, 'a.csv'), { signal })],
  [
    'openNpy',
    async (signal) => {
      const file = await openNpy(join(folder, 'a.npy'), { signal });
      try {
        return await file.readRows(0, 2);
      } finally {
        await file.close();
      }
    },
  ],
];

describe.each([
  ['a polyfill', () => new Polyfill(), { name: 'AbortError' }],
  ['a signal with a reason of its own', () => new WithReason(), { message: 'enough' }],
  ['a signal of another realm', ofAnotherRealm, { message: 'of another realm' }],
])('%s', (_, newSignal, reason) => {
  test.each(computationsOn(large))(
    'cancels a %s that waits, and the engine goes on (F1)',
    async (_, call) => {
      const signal = newSignal();
      const busy = await busyEngine();
      const waiting = failure(() => call(asSignal(signal)));
      // fit looks at the rows before it has anything to wait for.
      try {
        for (let turns = 0; turns < 20_000 && signal.listeners.size === 0; turns++) await setImmediate();
        expect(signal.listeners.size).toBe(1);
        signal.abort();
        expect(await waiting).toMatchObject(reason);
        expect(signal.listeners.size).toBe(0);
      } finally {
        // Else the engine would never close.
        await busy.end();
      }
      expect((await engine.softmax(rows)).data[0]).toBeCloseTo(1 / 3);
    },
  );

  test.each([...computationsOn(tiny), ...readers])(
    'that is aborted before lets no %s begin (F1)',
    async (_, call) => {
      const signal = newSignal();
      signal.abort();
      expect(await failure(() => call(asSignal(signal)))).toMatchObject(reason);
    },
  );

  test.each([...computationsOn(tiny), ...readers])(
    'that is not aborted changes no %s (F1)',
    async (_, call) => {
      const signal = newSignal();
      await call(asSignal(signal));
      expect(signal.listeners.size).toBe(0);
    },
  );
});

test('a gang that runs is cancelled by a signal of any make too (F1)', async () => {
  const signal = new WithReason();
  const options = { epochs: 1_000_000_000, signal: asSignal(signal) };
  const running = failure(() => classifier().fit(rows, classes, options));
  setTimeout(() => signal.abort(), 5);
  expect(await running).toBe(signal.reason);
});

describe('a signal that throws', () => {
  const broken = () => {
    throw new Error('broken');
  };
  const signals: readonly [string, () => object][] = [
    ['when it is listened to', () => Object.assign(new Polyfill(), { addEventListener: broken })],
    ['when it is left', () => Object.assign(new Polyfill(), { removeEventListener: broken })],
    ['when it is looked at', () => Object.defineProperty(new Polyfill(), 'aborted', { get: broken })],
    [
      'when it is looked at again',
      () => {
        let looks = 0;
        return Object.defineProperty(new Polyfill(), 'aborted', {
          get: () => (looks++ > 0 ? broken() : false),
        });
      },
    ],
    [
      'what cannot be shown',
      () =>
        Object.assign(new Polyfill(), {
          addEventListener: () => {
            throw Object.create(null);
          },
        }),
    ],
    ['and has AbortSignal for a prototype', () => Object.create(AbortSignal.prototype)],
  ];

  test.each(signals)('%s is refused or works, and the engine goes on (F1)', async (_, newSignal) => {
    const busy = await busyEngine();
    const logits = engine.matrix(1000, 1000);
    const calls = Promise.allSettled([
      engine.softmax(logits, { into: logits, signal: asSignal(newSignal()) }),
      engine.softmax(rows, { signal: asSignal(newSignal()) }),
      classifier().fit(rows, classes, { signal: asSignal(newSignal()), epochs: 2 }),
    ]);
    await setImmediate();
    await busy.end();
    for (const result of await calls) {
      if (result.status === 'fulfilled') continue;
      expect(result.reason).toBeInstanceOf(SoftshardError);
      expect(result.reason).toMatchObject({ code: 'ERR_OPTION', argument: 'options.signal' });
    }
    logits.free();
    expect((await engine.softmax(rows)).data[0]).toBeCloseTo(1 / 3);
  });

  test('when asked for its reason cancels with an error that says so (F1)', async () => {
    const signal = Object.defineProperty(new Polyfill(), 'reason', { get: broken });
    const busy = await busyEngine();
    const waiting = failure(() => engine.softmax(large.rows, { signal: asSignal(signal) }));
    signal.abort();
    expect(await waiting).toMatchObject({ code: 'ERR_OPTION', message: expect.stringContaining('broken') });
    await busy.end();
  });

  test('or has listeners that throw cancels nonetheless, at the latest in its turn (F1)', async () => {
    const signal = new WithReason();
    signal.addEventListener('abort', broken);
    const busy = await busyEngine();
    const waiting = failure(() => engine.softmax(large.rows, { signal: asSignal(signal) }));
    expect(() => signal.abort()).toThrow('broken');
    expect(await waiting).toBe(signal.reason);
    await busy.end();
  });
});

test.each([
  ['a number', 1],
  ['null', null],
  ['an object without listeners', { aborted: false }],
  ['one whose aborted is no boolean', Object.assign(new Polyfill(), { aborted: 'no' })],
])('%s is no signal: ERR_OPTION at once (F1)', async (_, signal) => {
  const error = await failure(() => engine.softmax(rows, { signal: signal as never }));
  expect(error).toMatchObject({ code: 'ERR_OPTION', argument: 'options.signal' });
});

test('null is a reason like any other', async () => {
  const busy = await busyEngine();
  const controller = new AbortController();
  const waiting = engine.softmax(large.rows, { signal: controller.signal });
  controller.abort(null);
  expect(await waiting.catch((reason: unknown) => ({ reason }))).toEqual({ reason: null });
  await busy.end();
});

test('many calls have one listener on their signal, and none when they have ended (F1)', async () => {
  const { signal } = new AbortController();
  const listeners = () => getEventListeners(signal, 'abort').length;
  const busy = await busyEngine();
  const calls = Array.from({ length: 20 }, () => engine.softmax(large.rows, { signal }));
  await setImmediate();
  expect(listeners()).toBe(1);
  await busy.end();
  await Promise.all(calls);
  expect(listeners()).toBe(0);
  for (const [, call] of computationsOn(tiny)) await call(signal);
  expect(listeners()).toBe(0);
});

test('resident calls derive nothing from a signal that would stay with it (R15)', async () => {
  const any = vi.spyOn(AbortSignal, 'any');
  const { signal } = new AbortController();
  await engine.linearCrossEntropy(rows, weights, undefined, [0, 1, 1, 0], { signal });
  await classifier().fit(rows, classes, { signal });
  expect(any).not.toHaveBeenCalled();
  any.mockRestore();
});
