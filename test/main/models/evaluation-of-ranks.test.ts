// Ranks of one process evaluate rows together: what one engine says of all rows, and what only one rank can do.
import { expect, test } from 'vitest';
import { Engine, inProcessTransports, SoftmaxClassifier } from '#softshard/main/index.js';
import { randomValues } from '../../kernels/workbench.js';
import { clusters } from '../training/workbench.js';

test('the evaluation of three ranks is that of one with all rows, also where rows are left out', async () => {
  const { rows, features, classes, inputs, targets } = clusters(403, 19, 7, 5);
  inputs[300 * features] = Number.NaN;
  const evaluate = async (engine: Engine, begin: number, end: number) => {
    const classifier = new SoftmaxClassifier(engine, { features, classes });
    classifier.weights.set(randomValues(features * classes, 0.3, 1));
    const own = inputs.subarray(begin * features, end * features);
    return classifier.evaluate(own, targets.slice(begin, end), { onInvalidInput: 'ignore' });
  };
  await using alone = await Engine.create({ threads: 1 });
  const want = await evaluate(alone, 0, rows);
  expect(want.invalid).toBe(1);
  // Whole shards of 192 rows but for the last.
  const ends = [192, 384, rows];
  const found = await Promise.all(
    inProcessTransports(3).map(async (distributed) => {
      await using engine = await Engine.create({ threads: 1, distributed });
      return await evaluate(engine, ends[engine.rank - 1] ?? 0, ends[engine.rank]!);
    }),
  );
  for (const one of found) expect(one).toEqual(want);
});

test('calibrate, and evaluate as a job, refuse an engine that is one of several ranks', async () => {
  await Promise.all(
    inProcessTransports(2).map(async (distributed) => {
      await using engine = await Engine.create({ threads: 1, distributed });
      const classifier = new SoftmaxClassifier(engine, { features: 1, classes: 2 });
      const [inputs, targets] = [Float32Array.of(0, 1, 0, 1), [0, 1, 1, 0]];
      const refusal = { code: 'ERR_OPTION', argument: 'options.distributed' };
      await expect(classifier.calibrate(inputs, targets)).rejects.toMatchObject(refusal);
      const job = engine.jobs.submit({ kind: 'evaluate', classifier, inputs, targets });
      await expect(job.result()).rejects.toMatchObject(refusal);
    }),
  );
});
