// What fit warns of, and that a good fit has nothing to warn of; accuracy and majority of its result.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Engine, SoftmaxClassifier, type Training } from '#softshard/main/index.js';
import { choiceWarning } from '#softshard/main/training/solver/solver-warnings.js';
import { type FitWarning, labelWarnings } from '#softshard/main/training/warnings.js';
import { randomValues } from '../../kernels/workbench.js';

/** Rows around a center for each class, `spread` apart from each other. */
interface Rows {
  readonly inputs: Float32Array;
  readonly targets: Int32Array;
  readonly features: number;
  readonly classes: number;
}

function clouds(rows: number, features: number, classes: number, spread = 3): Rows {
  const centers = randomValues(classes * features, spread, 5);
  const noise = randomValues(rows * features, 1, 6);
  const targets = Int32Array.from({ length: rows }, (_, row) => row % classes);
  const inputs = noise.map((value, i) => {
    const feature = i % features;
    return value + centers[targets[Math.floor(i / features)]! * features + feature]!;
  });
  return { inputs, targets, features, classes };
}

const codesOf = (warnings: readonly FitWarning[]) => warnings.map(({ code }) => code);

describe('warnings of fit', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 2 });
  });
  afterAll(() => engine.close());

  const fitTo = (
    { inputs, targets, features, classes }: Rows,
    options: Training.FitOptions = {},
    shape: Partial<Training.ClassifierOptions> = {},
  ) => new SoftmaxClassifier(engine, { features, classes, ...shape }).fit(inputs, targets, options);

  test.each<[string, Training.FitOptions]>([
    ['C and scale chosen', {}],
    ['C given', { C: 1 }],
    ['newton-cg', { C: 1, solver: 'newton-cg' }],
    ['SGD', { epochs: 30, batchSize: 50 }],
    ['AdamW and validation', { solver: 'adamw', learningRate: 0.05, validationSplit: 0.2 }],
    ['balanced, smoothed', { weight: 'balanced', C: 1 }],
    ['label smoothing', { labelSmoothing: 0.1 }],
    ['a single epoch', { epochs: 1 }],
  ])('a good fit has none: %s', async (_, options) => {
    const printed = vi.spyOn(process.stderr, 'write');
    const { warnings } = await fitTo(clouds(600, 8, 5), options);
    expect(warnings).toEqual([]);
    expect(printed).not.toHaveBeenCalled();
    printed.mockRestore();
  });

  test('accuracy and majority are those of evaluate on the rows that were trained on', async () => {
    const problem = clouds(301, 6, 3, 0.7);
    const targets = problem.targets.map((target, row) =>
      row % 4 === 0 ? 2 : row % 31 === 0 ? -100 : target,
    );
    for (const options of [{}, { C: 0.01 }, { C: 10, weight: 'balanced' }, { temperature: 2 }] as const) {
      const { features, classes } = problem;
      const classifier = new SoftmaxClassifier(engine, { features, classes });
      const { accuracy, majority } = await classifier.fit(problem.inputs, targets, options);
      const evaluation = await classifier.evaluate(problem.inputs, targets);
      expect(accuracy).toBe(evaluation.accuracy);
      expect(majority).toBe(evaluation.majority);
      expect(majority).toBe(Math.max(...evaluation.perClass.support) / evaluation.rows);
    }
    const steps = await fitTo({ ...problem, targets }, { epochs: 3, validationSplit: 0.25, seed: 4 });
    expect(steps.accuracy).toBeUndefined();
    expect(steps.majority).toBeGreaterThan(1 / 3);
    expect(steps.validationMajority).toBeGreaterThan(1 / 3);
    expect((await fitTo(problem, { validationSplit: 0.25 })).validationMajority).toBeGreaterThan(1 / 3);
  });

  test('the validation majority is that of the validation rows, split off or given apart', async () => {
    const problem = clouds(200, 4, 2);
    const validation = {
      inputs: problem.inputs.subarray(0, 4 * 10),
      targets: Int32Array.of(0, 0, 0, 1, 0, 1, 0, 0, 1, 0),
    };
    for (const options of [{ C: 1 }, { epochs: 2 }]) {
      expect((await fitTo(problem, { ...options, validation })).validationMajority).toBe(0.7);
      expect((await fitTo(problem, options)).validationMajority).toBeUndefined();
    }
  });

  test('not converged after maxPasses: what is certain, and three remedies', async () => {
    const { warnings, gapRelative } = await fitTo(clouds(500, 20, 4, 0.5), { C: 1, maxPasses: 3, tol: 1e-6 });
    expect(codesOf(warnings)).toEqual(['not-converged']);
    expect(gapRelative).toBeGreaterThan(1e-6);
    expect(warnings[0]?.message).toMatch(
      /^the solver stopped after \d+ passes: the objective is certain to be within [\d.]+ % of its minimum, not within options\.tol \(0\.0001 %\)\. Raise options\.maxPasses \(now 3\), standardise the features \(options\.scale 'standard'\), or choose a smaller options\.C \(now 1\)/,
    );
    const scaled = await fitTo(clouds(500, 20, 4, 0.5), {
      l2: 1e-3,
      scale: 'standard',
      maxPasses: 3,
      tol: 1e-6,
    });
    expect(scaled.warnings[0]?.message).not.toContain('standardise');
    expect(scaled.warnings[0]?.message).toContain('a larger options.l2 (now 0.001)');
  });

  test('the float32 floor: what is certain, and the tol that asks for it; none where tol is 0', async () => {
    const problem = clouds(500, 20, 4, 0.5);
    const { warnings, stopReason, gapRelative } = await fitTo(problem, { C: 1, tol: 1e-12 });
    expect(stopReason).toBe('floor');
    expect(codesOf(warnings)).toEqual(['not-converged']);
    const tol = Number(/with options\.tol ([\d.e-]+)/.exec(warnings[0]!.message)?.[1]);
    expect(tol).toBeGreaterThanOrEqual(gapRelative!);
    expect(tol).toBeLessThan(gapRelative! * 1.1);
    expect((await fitTo(problem, { C: 1, tol: 0 })).warnings).toEqual([]);
  });

  test.each<[string, RegExp, Training.FitOptions]>([
    ['without a penalty', /without a penalty there is no certificate/, { l2: 0 }],
    ['with a soft cap', /with softcap, zLoss or focalGamma there is no certificate/, { C: 1, softcap: 5 }],
  ])('not converged %s: why nothing is certain', async (_, message, options) => {
    const { warnings } = await fitTo(clouds(300, 10, 3, 0.5), { ...options, maxPasses: 2, tol: 1e-9 });
    expect(codesOf(warnings)).toEqual(['not-converged']);
    expect(warnings[0]?.message).toMatch(message);
  });

  test('steps that diverge short of infinity: the loss is above ln K', async () => {
    const problem = clouds(400, 6, 3, 0.5);
    const inputs = problem.inputs.map((value, i) => value * (i % 6 === 0 ? 1e4 : 1));
    const { warnings, loss } = await fitTo({ ...problem, inputs }, { epochs: 3 });
    expect(loss).toBeGreaterThan(Math.log(3));
    expect(codesOf(warnings)).toEqual(['loss-above-baseline']);
    expect(warnings[0]?.message).toMatch(
      /^the training loss \d+ is above ln 3 = 1\.099, .*: lower options\.learningRate, scale the features/,
    );
  });

  test('a loss above that of the classes’ shares, and all predicted as one class', async () => {
    const rows = 1000;
    const inputs = randomValues(rows * 2, 1, 8);
    const targets = Int32Array.from({ length: rows }, (_, row) => (row % 20 === 0 ? 1 : 0));
    const options: Training.FitOptions = { epochs: 2, learningRate: 1e-4, validation: { inputs, targets } };
    const { warnings } = await fitTo({ inputs, targets, features: 2, classes: 2 }, options, {
      classNames: ['no', 'yes'],
    });
    expect(codesOf(warnings)).toEqual(['loss-above-baseline', 'one-class-predicted']);
    expect(warnings[0]?.message).toMatch(
      /^the training loss 0\.69\d* is above 0\.1985, which the shares of the classes/,
    );
    expect(warnings[1]?.message).toMatch(
      /^all 1,000 rows to validate on are predicted as class "no", which 95 % of them are/,
    );
    const strong = await fitTo({ inputs, targets, features: 2, classes: 2 }, { C: 1e-9 });
    expect(codesOf(strong.warnings)).toEqual(['one-class-predicted']);
    expect(strong.warnings[0]?.message).toMatch(/^all 1,000 rows trained on .* \(a larger options\.C\)/);
  });

  test('a loss that still falls fast in the last of many epochs', async () => {
    const { warnings } = await fitTo(clouds(300, 8, 3), { epochs: 10, learningRate: 1e-3 });
    expect(codesOf(warnings)).toEqual(['not-converged']);
    expect(warnings[0]?.message).toMatch(
      /^the training loss still fell from 1\.\d+ to 1?\.?\d+ in the last of 10 epochs/,
    );
  });

  test('not a loss that goes up and down where it cannot fall', async () => {
    const problem = clouds(300, 8, 3);
    const targets = problem.targets.map((target, row) => (row % 5 === 0 ? (target + 1) % 3 : target));
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      const options = { epochs: 300, batchSize: 8, learningRate: 0.05, seed };
      expect(codesOf((await fitTo({ ...problem, targets }, options)).warnings)).toEqual([]);
    }
  });

  test('classes without rows, by name; features without values', async () => {
    const problem = clouds(90, 8, 3);
    const inputs = problem.inputs.map((value, i) => (i % 8 < 2 ? 7 : value));
    for (const options of [{ C: 1 }, { epochs: 50, learningRate: 0.05 }]) {
      const { warnings } = await fitTo({ ...problem, inputs, classes: 5 }, options, {
        classNames: ['a', 'b', 'c', 'd', 'e'],
      });
      const isFullBatch = 'C' in options;
      expect(codesOf(warnings)).toEqual([
        'class-without-rows',
        ...(isFullBatch ? ['constant-features'] : []),
      ]);
      expect(warnings[0]?.message).toMatch(/^2 of 5 classes have no row to train on, .*"d", "e"/);
      if (isFullBatch)
        expect(warnings[1]?.message).toMatch(/^2 of 8 features have the same value in all rows/);
    }
  });

  test('partialFit has none to tell: it sees a part of the rows', async () => {
    const { inputs, targets, features } = clouds(90, 8, 3);
    const classifier = new SoftmaxClassifier(engine, { features, classes: 30 });
    expect(await classifier.partialFit(inputs, targets)).not.toHaveProperty('warnings');
  });
});

describe('warnings of labels', () => {
  const countsOf = (labels: readonly number[], classes = Math.max(...labels) + 1) => {
    const rows = new Float64Array(classes);
    for (const label of labels) rows[label]!++;
    return { rows, all: labels.length, majority: Math.max(...rows) / labels.length };
  };
  const codes = (labels: readonly number[], classNames?: readonly string[]) =>
    codesOf(labelWarnings(countsOf(labels, classNames?.length), { classNames }));
  const range = (length: number, of: (i: number) => number) => Array.from({ length }, (_, i) => of(i));
  /** Distinct numbers in order of their text, as a reader of files names classes. */
  const named = (values: readonly number[]) => {
    const names = [...new Set(values.map(String))].sort();
    return [values.map((value) => names.indexOf(String(value))), names] as const;
  };

  test('prices, blood sugar, measurements are amounts, and nothing else is said of them', () => {
    expect(codes(range(300, (i) => 40 + Math.floor(900 * Math.abs(Math.sin(i)))))).toEqual([
      'labels-like-amounts',
    ]);
    expect(codes(...named(range(300, (i) => 1000 * (40 + Math.floor(900 * Math.abs(Math.sin(i)))))))).toEqual(
      ['labels-like-amounts'],
    );
    expect(codes(...named(range(100, (i) => Math.round(1000 * Math.sin(i)) / 10)))).toEqual([
      'labels-like-amounts',
    ]);
  });

  describe('a class of one row that is called almost as one of many', () => {
    /** Rows of the first class, 30 of it and 30 of 'virginica', and one of the other. */
    const warningsOf = (many: string, single: string, singles = 1) => {
      const labels = range(60 + singles, (i) => (i < 60 ? i % 2 : 2));
      const classNames = [many, 'virginica', single];
      return labelWarnings(countsOf(labels), { classNames });
    };

    test.each([
      ['setosa', 'setsoa'],
      ['setosa', 'setos'],
      ['setosa', 'setosaa'],
      ['setosa', 'Setosa'],
      ['setosa', 'setosa '],
      ['A', 'a'],
      ['größer', 'grösser'.replace('ss', 's')],
    ])('%j: %j is told', (many, single) => {
      const [warning, ...others] = warningsOf(many, single);
      expect(others).toEqual([]);
      expect(warning!.code).toBe('class-like-typo');
      expect(warning!.message).toContain(`"${single}" as "${many}"`);
    });

    test.each([
      ['setosa', 'versicolor'],
      ['cat', 'car'],
      ['group 1', 'group 2'],
      ['1000', '1001'],
      ['male', 'female'],
    ])('%j: %j is not', (many, single) => {
      expect(warningsOf(many, single)).toEqual([]);
    });

    test('one of two rows or more is not', () => {
      expect(warningsOf('setosa', 'setsoa', 2)).toEqual([]);
    });
  });

  test('grades, digits, faces and words are classes', () => {
    expect(codes(range(300, (i) => 3 + (i % 7)))).toEqual(['class-without-rows']);
    expect(codes(range(100, (i) => i % 10))).toEqual([]);
    // 1000 classes of a few rows; letters; the faces of 100 people, three of each.
    expect(codes(range(5000, (i) => i % 1000))).toEqual([]);
    expect(codes(range(300, (i) => i % 100))).toEqual([]);
    // One or two of each, numbered without gaps, or by name.
    expect(codes(range(150, (i) => i % 100))).toEqual(['few-rows-per-class']);
    expect(
      codes(
        range(40, (i) => i),
        range(40, (i) => i).map((i) => `person ${i}`),
      ),
    ).toEqual(['few-rows-per-class']);
    // A tail of rare ones.
    expect(codes(range(1000, (i) => (i < 900 ? i % 10 : 10 + (i % 20))))).toEqual([]);
  });

  test('more classes than half the rows', () => {
    expect(codes([0, 1, 2, 0])).toEqual(['few-rows-per-class']);
    expect(codes([0, 1, 0, 1])).toEqual([]);
  });
});

describe('warnings of the choice', () => {
  const tried = (scale: 'none' | 'standard', C: number, loss: number) => ({
    scale,
    C,
    loss,
    standardError: 0.01,
    accuracy: 0.5,
  });
  const of = (C: number, settings: readonly Training.TriedSetting[]) =>
    choiceWarning({
      scale: 'none',
      C,
      choice: { tried: settings, folds: 1, rows: 100, passes: 10 },
      start: new Float64Array(),
    })?.message;

  test('none inside, none at the weak end where the loss is flat, none of the other scaling', () => {
    const settings = [
      tried('none', 1, 0.5),
      tried('none', 10, 0.4),
      tried('none', 100, 0.45),
      tried('standard', 1000, 0.6),
    ];
    expect(of(10, settings)).toBeUndefined();
    expect(
      of(10, [tried('none', 1, 0.405), tried('none', 10, 0.4), tried('standard', 100, 0.6)]),
    ).toBeUndefined();
    expect(of(1, [tried('none', 1, 0.405)])).toBeUndefined();
  });

  test('the largest C, where the loss was still falling, and the smallest', () => {
    expect(of(10, [tried('none', 1, 0.5), tried('none', 10, 0.4)])).toMatch(
      /the largest was best .* larger options\.C/,
    );
    expect(of(1, [tried('none', 10, 0.5), tried('none', 1, 0.4)])).toMatch(
      /the smallest was best .* smaller options\.C/,
    );
  });
});
