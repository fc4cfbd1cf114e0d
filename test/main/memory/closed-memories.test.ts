// The memory of a closed engine serves the next one, where nobody can see it any more.
import { describe, expect, test } from 'vitest';
import { resourcesOf } from '#softshard/main/dispatch/resources.js';
import { Engine, SoftmaxClassifier } from '#softshard/main/index.js';
import { Arena } from '#softshard/main/memory/arena.js';
import { bitsOf } from '../../bits.js';
import { failure } from '../../failure.js';

/** No other test has an arena of this size. */
const arenaBytes = 21 * 1024 * 1024;
const create = () => Engine.create({ threads: 2, arenaBytes });
const memoryOf = (engine: Engine) => resourcesOf(engine).arena.memory;
const logits = Float32Array.from({ length: 300_000 }, (_, i) => Math.sin(i));

/** What calls of several kinds give. */
async function results(engine: Engine): Promise<string[]> {
  const targets = Array.from({ length: 30_000 }, (_, row) => row % 10);
  const classifier = new SoftmaxClassifier(engine, { features: 10, classes: 10 });
  const { loss, gradLogits } = await engine.crossEntropyGradient(logits, targets, {
    columns: 10,
    zLoss: 0.1,
  });
  await classifier.fit(logits, targets, { columns: 10, epochs: 1 });
  return [loss, gradLogits.data, classifier.weights].map((values) => bitsOf(values));
}

describe('the memory of an engine that was closed', () => {
  test('serves the next one of its size, zeroed, when all matrices are freed (F10)', async () => {
    const first = await create();
    const memory = memoryOf(first);
    const wanted = await results(first);
    const matrix = first.matrix(1000, 1000);
    matrix.data.fill(7);
    await first.logSumExp(matrix);
    matrix.free();
    await first.close();

    await using second = await create();
    expect(memoryOf(second)).toBe(memory);
    expect(second.memoryUsage().usedBytes).toBe(second.memoryUsage().peakBytes);
    const vector = second.vector('float64', 2_000_000);
    expect(vector.data.every((value) => value === 0)).toBe(true);
    vector.free();
    expect(await results(second)).toEqual(wanted);

    // Taken: not to be had a second time.
    await using third = await create();
    expect(memoryOf(third)).not.toBe(memory);
  });

  test('serves no other as long as a matrix of it is not freed, also after the engine (F10)', async () => {
    const first = await create();
    const memory = memoryOf(first);
    const [kept, other] = [first.matrix(10, 10), first.matrix(10, 10)];
    kept.data.fill(7);
    other.free();
    await first.close();

    const second = await create();
    expect(memoryOf(second)).not.toBe(memory);
    using matrix = second.matrix(1000, 1000);
    matrix.data.fill(1);
    expect(kept.data.every((value) => value === 7)).toBe(true);
    kept.free();
    await using third = await create();
    expect(memoryOf(third)).toBe(memory);
    await second.close();
  });

  test('serves no engine with another limit', async () => {
    const first = await create();
    const memory = memoryOf(first);
    await first.close();
    await using other = await Engine.create({ threads: 1, arenaBytes: 2 * arenaBytes });
    expect(memoryOf(other)).not.toBe(memory);
    await using same = await create();
    expect(memoryOf(same)).toBe(memory);
  });

  test('waits for calls that were under way (F10)', async () => {
    const first = await create();
    const memory = memoryOf(first);
    const calls = Promise.all(
      [
        () => first.softmax(logits, { columns: 10 }),
        () =>
          first.linearCrossEntropy(
            { type: 'float32', dims: [30_000, 10], data: logits },
            { type: 'float32', dims: [10, 10], data: new Float32Array(100) },
            undefined,
            new Uint8Array(30_000),
          ),
        () =>
          new SoftmaxClassifier(first, { features: 10, classes: 3 }).fit(logits, new Uint8Array(30_000), {
            columns: 10,
            epochs: 1000,
          }),
      ].map(failure),
    );
    await first.close();
    for (const error of await calls) expect(error).toMatchObject({ code: 'ERR_CLOSED' });
    await using second = await create();
    expect(memoryOf(second)).toBe(memory);
  });
});

test('an arena that is retired hands out nothing', async () => {
  const arena = new Arena(1024 * 1024);
  arena.retire();
  expect(await failure(async () => arena.allocate(1, 'a call'))).toMatchObject({ code: 'ERR_CLOSED' });
});
