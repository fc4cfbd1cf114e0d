// When checkpoints are made, what happens where they cannot be kept, and what training does not go on from.
import { beforeAll, describe, expect, test } from 'vitest';
import {
  decodeCheckpoint,
  type Engine,
  encodeCheckpoint,
  fitMany,
  SoftmaxClassifier,
  type Training,
} from '#softshard/main/index.js';
import { bitsOf } from '../../../bits.js';
import { sharedEngines } from '../../../engines.js';
import { clusters } from '../workbench.js';

const engineFor = sharedEngines();
let engine: Engine;
beforeAll(async () => {
  engine = await engineFor({ threads: 2, numerics: 'portable' });
});

const { inputs, targets, features, classes, rows } = clusters(301, 9, 4, 3);
const STEPS = { epochs: 3, batchSize: 40 } as const;
const SOLVER = { C: 10, tol: 1e-6 } as const;

const newClassifier = () => new SoftmaxClassifier(engine, { features, classes });

async function checkpointsOf(options: Training.FitOptions, everySteps = 2): Promise<Training.Checkpoint[]> {
  const found: Training.Checkpoint[] = [];
  const onCheckpoint = (checkpoint: Training.Checkpoint) => {
    found.push(checkpoint);
  };
  await newClassifier().fit(inputs, targets, { ...options, checkpoint: { everySteps, onCheckpoint } });
  return found;
}

const later = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

describe.each([
  ['steps', STEPS],
  ['a full-batch solver', SOLVER],
] satisfies [string, Training.FitOptions][])('%s', (_, options) => {
  test('what onCheckpoint throws, or rejects with, ends training with it', async () => {
    const failures = [
      () => {
        throw new Error('disk full');
      },
      async () => {
        await later();
        throw new Error('disk full');
      },
    ];
    for (const onCheckpoint of failures) {
      const training = newClassifier().fit(inputs, targets, {
        ...options,
        checkpoint: { everySteps: 1, onCheckpoint },
      });
      await expect(training).rejects.toThrow('disk full');
    }
  });

  test('training goes on while a checkpoint is being kept, and waits before the next and at its end', async () => {
    let running = 0;
    let most = 0;
    let kept = 0;
    const onCheckpoint = async () => {
      running++;
      most = Math.max(most, running);
      await later();
      running--;
      kept++;
    };
    const checkpoint = { everySteps: 3, onCheckpoint };
    await newClassifier().fit(inputs, targets, { ...options, checkpoint });
    expect(most).toBe(1);
    expect(running).toBe(0);
    expect(kept).toBeGreaterThan(1);
  });

  test('by default none is made within a minute', async () => {
    let made = 0;
    const onCheckpoint = () => {
      made++;
    };
    await newClassifier().fit(inputs, targets, { ...options, checkpoint: { onCheckpoint } });
    expect(made).toBe(0);
  });

  test('with atStop false a stop makes none, and comes at once', async () => {
    const abort = new AbortController();
    let made = 0;
    const onCheckpoint = () => {
      made++;
      abort.abort(new Error('stopped'));
    };
    const training = newClassifier().fit(inputs, targets, {
      ...options,
      signal: abort.signal,
      checkpoint: { everySteps: 3, atStop: false, onCheckpoint },
    });
    await expect(training).rejects.toThrow('stopped');
    expect(made).toBe(1);
  });

  test('a checkpoint does not change after it is made', async () => {
    const found: Training.Checkpoint[] = [];
    const texts: string[] = [];
    const onCheckpoint = (checkpoint: Training.Checkpoint) => {
      found.push(checkpoint);
      texts.push(bitsOf(encodeCheckpoint(checkpoint)));
    };
    await newClassifier().fit(inputs, targets, { ...options, checkpoint: { everySteps: 1, onCheckpoint } });
    const [resumeFrom] = found;
    await newClassifier().fit(inputs, targets, { ...options, resumeFrom: resumeFrom! });
    expect(found.map((checkpoint) => bitsOf(encodeCheckpoint(checkpoint)))).toEqual(texts);
  });

  test('training that goes on makes checkpoints from which training goes on', async () => {
    const wanted = newClassifier();
    await wanted.fit(inputs, targets, options);
    let resumeFrom = (await checkpointsOf(options))[0]!;
    for (let times = 0; times < 3; times++) {
      const found: Training.Checkpoint[] = [];
      const onCheckpoint = (checkpoint: Training.Checkpoint) => {
        found.push(decodeCheckpoint(encodeCheckpoint(checkpoint)));
      };
      const classifier = newClassifier();
      const checkpoint = { everySteps: 1, onCheckpoint };
      await classifier.fit(inputs, targets, { ...options, resumeFrom, checkpoint });
      expect(bitsOf(classifier.weights, classifier.bias)).toBe(bitsOf(wanted.weights, wanted.bias));
      resumeFrom = found[1] ?? resumeFrom;
    }
  });
});

describe('training does not go on', () => {
  const refused = async (
    resumeFrom: Training.Checkpoint,
    options: Training.FitOptions,
    given: { inputs?: Float32Array; targets?: Int32Array; classifier?: SoftmaxClassifier } = {},
  ) => {
    const classifier = given.classifier ?? newClassifier();
    const training = classifier.fit(given.inputs ?? inputs, given.targets ?? targets, {
      ...options,
      resumeFrom,
    });
    return training.then(
      () => 'went on',
      (error: { code: string; message: string }) => `${error.code} ${error.message}`,
    );
  };

  test.each([
    [{ learningRate: 0.2 }, 'learningRate was 0.1 and is 0.2'],
    [{ momentum: 0.9 }, '"momentum":0.9'],
    [{ batchSize: 41 }, 'batchSize was 40 and is 41'],
    [{ epochs: 4 }, 'epochs was 3 and is 4'],
    [{ seed: 1 }, 'seed was 0 and is 1'],
    [{ schedule: 'cosine' }, '"cosine"'],
    [{ labelSmoothing: 0.1 }, 'labelSmoothing was 0 and is 0.1'],
    [{ weight: [1, 2, 1, 1] }, 'weight was none'],
    [{ sampleWeight: new Float32Array(rows).fill(2) }, 'sampleWeight was none'],
    [{ validationSplit: 0.1 }, 'validationSplit was 0 and is 0.1'],
  ] satisfies [Training.FitOptions, string][])('with %o', async (options, message) => {
    const [checkpoint] = await checkpointsOf(STEPS);
    const error = await refused(checkpoint!, { ...STEPS, ...options });
    expect(error).toContain('ERR_CHECKPOINT options.resumeFrom is of a training in which');
    expect(error).toContain(message);
  });

  test('on other rows or targets, or by another solver', async () => {
    const [ofSteps] = await checkpointsOf(STEPS);
    const [ofSolver] = await checkpointsOf(SOLVER);
    const otherTargets = targets.map((target, row) => (row === 100 ? (target + 1) % classes : target));
    const otherInputs = inputs.map((value, i) => (i === 1000 ? value + 1 : value));
    expect(await refused(ofSteps!, STEPS, { targets: otherTargets })).toContain('targets was');
    expect(await refused(ofSolver!, SOLVER, { inputs: otherInputs })).toContain('inputs was');
    expect(await refused(ofSolver!, { ...SOLVER, C: 1 })).toContain('C was 10 and is 1');
    expect(await refused(ofSolver!, { ...SOLVER, solver: 'newton-cg' })).toContain('solver was "lbfgs"');
    expect(await refused(ofSolver!, STEPS)).toContain('ERR_CHECKPOINT');
    const scaled = new SoftmaxClassifier(engine, {
      features,
      classes,
      featureScaling: { shift: 0, scale: 2 },
    });
    expect(await refused(ofSteps!, STEPS, { classifier: scaled })).toContain('featureScaling was none');
  });

  test('on other kernels, or as another call', async () => {
    const [checkpoint] = await checkpointsOf(STEPS);
    const other = { ...checkpoint!, conditions: { ...checkpoint!.conditions, numerics: 'fast on vax' } };
    expect(await refused(other, STEPS)).toContain('numerics was fast on vax and is portable');
    const many = fitMany(engine, inputs, targets, [STEPS], { features, classes, resumeFrom: checkpoint! });
    await expect(many).rejects.toThrow('options.resumeFrom is a checkpoint of fit, and this is fitMany');
    expect(await refused({ ...checkpoint!, version: 9 }, STEPS)).toContain('goes on from version 1');
    expect(await refused('path' as never, STEPS)).toContain('ERR_TYPE options.resumeFrom is');
  });

  test.each([
    [{}, 'options.checkpoint has no onCheckpoint'],
    [{ onCheckpoint() {}, everySeconds: 1, everySteps: 1 }, 'both everySeconds and everySteps'],
    [{ onCheckpoint() {}, everySteps: 0 }, 'options.checkpoint.everySteps'],
    [{ onCheckpoint() {}, everySeconds: -1 }, 'options.checkpoint.everySeconds'],
    [{ onCheckpoint() {}, atEnd: true }, 'atEnd'],
  ])('with options of checkpoints that are wrong: %o', async (checkpoint, message) => {
    const training = newClassifier().fit(inputs, targets, { ...STEPS, checkpoint: checkpoint as never });
    await expect(training).rejects.toThrow(message);
  });

  test('where heads have checkpoints of their own', async () => {
    const head = { C: 1, checkpoint: { onCheckpoint() {} } } as Training.HeadOptions;
    const training = fitMany(engine, inputs, targets, [head], { features, classes });
    await expect(training).rejects.toThrow('checkpoints are of all heads together');
  });
});

test('rows in the memory of the engine have the conditions of others', async () => {
  const [checkpoint] = await checkpointsOf(STEPS);
  const matrix = engine.matrix(rows, features);
  matrix.data.set(inputs);
  const wanted = newClassifier();
  await wanted.fit(inputs, targets, STEPS);
  const classifier = newClassifier();
  await classifier.fit(matrix, targets, { ...STEPS, resumeFrom: checkpoint! });
  matrix.free();
  expect(bitsOf(classifier.weights)).toBe(bitsOf(wanted.weights));
});

test('nothing is left in the memory of the engine', async () => {
  const before = engine.memoryUsage().usedBytes;
  for (const options of [STEPS, SOLVER, {}]) {
    const [checkpoint] = await checkpointsOf(options);
    await newClassifier().fit(inputs, targets, { ...options, resumeFrom: checkpoint! });
  }
  expect(engine.memoryUsage().usedBytes).toBe(before);
});
