// Iterables, async iterables and streams are read one item after the other, and told when no more is wanted.
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, SoftmaxClassifier } from '#softshard/main/index.js';
import { failure } from '../../failure.js';

let engine: Engine;
let used: number;
beforeAll(async () => {
  engine = await Engine.create({ threads: 1, arenaBytes: 2 ** 24 });
  used = engine.memoryUsage().usedBytes;
});
afterAll(() => engine.close());

const unfitted = () => new SoftmaxClassifier(engine);
const ofTwo = () => new SoftmaxClassifier(engine, { features: 2, classes: 2 });

/** Items from a source that counts what happens to it. */
function counted(itemAt: (index: number) => unknown) {
  const counts = { asked: 0, returned: 0, atOnce: 0 };
  let underWay = 0;
  const source: AsyncIterable<object> = {
    [Symbol.asyncIterator]: () => ({
      async next() {
        counts.atOnce = Math.max(counts.atOnce, ++underWay);
        await sleep(1);
        underWay--;
        const value = itemAt(counts.asked++) as object;
        return { done: value === undefined, value };
      },
      async return() {
        counts.returned++;
        return { done: true, value: undefined };
      },
    }),
  };
  return { counts, source };
}

describe('a source', () => {
  test('is asked for one item at a time, to its end', async () => {
    const { counts, source } = counted((i) => (i < 5 ? [i, 1] : undefined));
    expect(await ofTwo().predict(source)).toHaveLength(5);
    expect(counts).toEqual({ asked: 6, returned: 0, atOnce: 1 });
  });

  test('is told to end where a row is wrong', async () => {
    const { counts, source } = counted((i) => (i < 3 ? [i, 1] : [i, 'x']));
    expect(await failure(() => ofTwo().predict(source))).toMatchObject({ code: 'ERR_TYPE', row: 3 });
    expect(counts).toEqual({ asked: 4, returned: 1, atOnce: 1 });
    expect(engine.memoryUsage().usedBytes).toBe(used);
  });

  test('gives its own error through', async () => {
    const own = new Error('the database is gone');
    const { counts, source } = counted((i) => {
      if (i < 3) return [i, 1];
      throw own;
    });
    expect(await failure(() => unfitted().fit(source, ['a', 'b']))).toBe(own);
    expect(counts.returned).toBe(0);
    expect(engine.memoryUsage().usedBytes).toBe(used);
  });

  test('is told to end when aborted, and not waited for', async () => {
    const { counts, source } = counted((i) => [i, 1]);
    const reason = new Error('enough');
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 20);
    const { signal } = controller;
    expect(await failure(() => unfitted().fit(source, ['a'], { signal }))).toBe(reason);
    expect(counts.returned).toBe(1);

    let cancelled: unknown;
    const stream = new ReadableStream({
      cancel(why) {
        cancelled = why;
      },
    });
    const second = AbortSignal.timeout(20);
    expect(await failure(() => ofTwo().predict(stream, { signal: second }))).toBe(second.reason);
    expect(cancelled).toBe(second.reason);

    const readable = new Readable({ objectMode: true, read() {} });
    const third = AbortSignal.timeout(20);
    expect(await failure(() => ofTwo().predict(readable, { signal: third }))).toBe(third.reason);
    expect(readable.destroyed).toBe(true);
    expect(engine.memoryUsage().usedBytes).toBe(used);
  });

  test('that never ends lets other events have their turn', async () => {
    const endless = (function* () {
      for (;;) yield [1, 2];
    })();
    const signal = AbortSignal.timeout(100);
    expect(await failure(() => ofTwo().predict(endless, { signal }))).toBe(signal.reason);
  });

  test('ends when the engine is closed', async () => {
    const own = await Engine.create({ threads: 1, arenaBytes: 2 ** 21 });
    const waiting = failure(() => new SoftmaxClassifier(own).fit(counted((i) => [i, 1]).source, ['a']));
    await sleep(10);
    await own.close();
    expect(await waiting).toMatchObject({ code: 'ERR_CLOSED' });
  });

  test.each<[string, () => unknown, RegExp]>([
    [
      'of bytes',
      () => Readable.from(Buffer.from('1,2\n'), { objectMode: false }),
      /inputs is a stream of bytes: .*readFeatures.*records/,
    ],
    [
      'whose iterator is none',
      () => ({ [Symbol.asyncIterator]: () => ({ next: () => 3 }) }),
      /inputs has an iterator that gives 3: next\(\) must give/,
    ],
    ['of text', () => ['1,2'].values(), /inputs\[0\] is a text.*Rows are/],
  ])('%s is refused', async (_, make, message) => {
    const error = await failure(() => ofTwo().predict(make() as never));
    expect(error).toMatchObject({ code: 'ERR_TYPE', message: expect.stringMatching(message) });
  });

  test('of labels is read too', async () => {
    const { counts, source } = counted((i) => ['x', 'y'][i]);
    const classifier = unfitted();
    await classifier.fit([[1], [2]], source as never, { C: 1 });
    expect(classifier.classNames).toEqual(['x', 'y']);
    expect(counts.asked).toBe(3);
  });
});
