// The float64 reference against PyTorch: equal where it is meant to be, different where docs/losses.md says so.
import { describe, expect, it, test } from 'vitest';
import {
  binaryCrossEntropyWithLogits,
  binaryCrossEntropyWithLogitsGradient,
  classAxis,
  generalLoss,
  generalLossGradient,
  klDivergence,
  klDivergenceGradient,
  type LossOptions,
  logSoftmax,
  logSumExp,
  mapAxis,
  nllLoss,
  nllLossGradient,
  reduceAxis,
  rowsAlongAxis,
  rowsIntoAxis,
  softmax,
} from '#softshard/kernels/reference/index.js';
import { expectClose } from '../kernels/reference/expect-close.js';
import {
  type CrossEntropyCase,
  type Difference,
  torchCases,
  torchCasesOf,
  torchTolerance,
} from './torch/vectors.js';

/** What float64 rounding leaves between two ways to sum 1,023 classes; measured 1e-14. */
const BOUND = 3e-14;

const named = <T extends { readonly name: string }>(cases: readonly T[]) =>
  cases.map((each) => [each.name, each] as const);

/** The loss and gradient that the reference gives, in the case's own layout. */
function crossEntropyOf({ inputs, options, dims, axis }: CrossEntropyCase, more: LossOptions = {}) {
  const { rows, classes } = classAxis(dims, axis);
  const { targets, softTargets, logits, ...arrays } = inputs;
  const { reduction, ...others } = options;
  const { gradOutput, ...weights } = arrays;
  const matrix = rowsAlongAxis(logits, dims, axis);
  const wanted = targets ?? { softTargets: rowsAlongAxis(softTargets!, dims, axis) };
  const result = generalLoss(matrix, wanted, rows, classes, { ...others, ...weights, ...more });
  const gradient = generalLossGradient(matrix, wanted, rows, classes, {
    ...others,
    ...weights,
    ...more,
    reduction,
    ...(gradOutput === undefined ? {} : { gradOutput }),
  });
  const reduced = reduction === 'sum' ? result.lossSum : result.mean;
  return {
    rows,
    classes,
    loss: reduction === 'none' ? result.losses : Float64Array.of(reduced),
    gradLogits: rowsIntoAxis(gradient, dims, axis),
  };
}

describe('the vectors', () => {
  const cases = torchCases();

  it('are 1,158, under names of their own', () => {
    expect(cases.length).toBe(1158);
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
  });

  it('hold every combination of PyTorch’s options that it takes, for 1, 2, 3 and 5 classes in three shapes', () => {
    const combinations = torchCasesOf('crossEntropy')
      .filter(({ kind, dims }) => kind === 'usual' && [1, 2, 3, 5].includes(dims[1]!))
      .map(({ dims, options, inputs }) =>
        JSON.stringify([dims, options, inputs.weight !== undefined, inputs.targets !== undefined]),
      );
    // 3 reductions × weight or not × smoothing or not × (3 of ignoreIndex with indices, or soft targets) = 48.
    expect(new Set(combinations).size).toBe(4 * 3 * 48);
  });

  it.each([
    ['crossEntropy', 'loss', 3e-7],
    ['crossEntropy', 'gradLogits', 8e-7],
    ['softmax', 'output', 3e-7],
    ['logSoftmax', 'output', 3e-7],
    ['logSumExp', 'output', 2e-7],
  ] as const)('show PyTorch’s own float32 %s, %s, off by less than %d', (op, output, bound) => {
    const tolerance = torchTolerance(torchCasesOf(op), output);
    expect(tolerance).toBeGreaterThan(bound / 10);
    expect(tolerance).toBeLessThan(bound);
  });
});

describe(`cross-entropy is PyTorch’s within ${BOUND}, loss and gradient`, () => {
  test.each(named(torchCasesOf('crossEntropy').filter(({ differs }) => differs === undefined)))(
    '%s',
    (_, each) => {
      const { loss, gradLogits } = crossEntropyOf(each);
      expectClose(loss, each.expected.loss, BOUND);
      expectClose(gradLogits, each.expected.gradLogits, BOUND);
    },
  );
});

describe('cross-entropy differs from PyTorch', () => {
  const differing = (difference: Difference) => {
    const cases = torchCasesOf('crossEntropy').filter(({ differs }) => differs === difference);
    expect(cases.length).toBeGreaterThan(5);
    return cases;
  };

  it('where a share of 0 meets a logit of -Infinity: that term is 0, not NaN', () => {
    for (const each of differing('zero times Infinity')) {
      const { dims, axis, expected, inputs, options } = each;
      const { rows, classes, loss, gradLogits } = crossEntropyOf(each);
      // Without the classes that have no share and no probability, PyTorch's formula is right.
      const shares = rowsAlongAxis(inputs.softTargets!, dims, axis);
      const matrix = rowsAlongAxis(inputs.logits, dims, axis);
      const logits = matrix.map((logit, i) => {
        const row = matrix.subarray(i - (i % classes), i - (i % classes) + classes);
        return shares[i] === 0 && row.some(Number.isFinite) ? Math.max(logit, -1e9) : logit;
      });
      const { weight } = inputs;
      const sane = generalLoss(
        rowsAlongAxis(logits, dims, axis),
        { softTargets: shares },
        rows,
        dims[axis]!,
        weight ? { weight } : {},
      );
      const reduced = options.reduction === 'sum' ? sane.lossSum : sane.mean;
      expect(Array.from(expected.loss).some(Number.isNaN)).toBe(true);
      expectClose(loss, options.reduction === 'none' ? sane.losses : [reduced], BOUND);
      expectClose(gradLogits, expected.gradLogits, BOUND);
    }
  });

  it('and with zeroTimesInfinity nan it is NaN, as in PyTorch, loss and gradient', () => {
    for (const each of differing('zero times Infinity')) {
      const { loss, gradLogits } = crossEntropyOf(each, { zeroTimesInfinity: 'nan' });
      expectClose(loss, each.expected.loss, BOUND);
      expectClose(gradLogits, each.expected.gradLogits, BOUND);
    }
  });

  it('where an ignored row has no softmax: its gradient is 0, not NaN', () => {
    for (const each of differing('ignored row without a softmax')) {
      const { dims, axis, expected, inputs, options } = each;
      const { classes, loss, gradLogits } = crossEntropyOf(each);
      const wanted = rowsAlongAxis(expected.gradLogits, dims, axis);
      const unlike = wanted.filter(
        (gradient, i) =>
          Number.isNaN(gradient) && inputs.targets![Math.floor(i / classes)] === options.ignoreIndex,
      );
      expect(unlike.length).toBeGreaterThan(0);
      for (const [row, target] of inputs.targets!.entries()) {
        if (target === options.ignoreIndex) wanted.fill(0, row * classes, (row + 1) * classes);
      }
      expectClose(gradLogits, rowsIntoAxis(wanted, dims, axis), BOUND);
      expectClose(loss, expected.loss, BOUND);
    }
  });

  it('where every row of a mean is ignored: the gradient is 0, not NaN; the mean is NaN in both', () => {
    for (const each of differing('gradient of an empty mean')) {
      const { loss, gradLogits } = crossEntropyOf(each);
      expectClose(loss, [Number.NaN], 0);
      expectClose(each.expected.loss, [Number.NaN], 0);
      expect(Array.from(gradLogits).every((gradient) => gradient === 0)).toBe(true);
    }
  });
});

describe(`the other losses are PyTorch’s within ${BOUND}, loss and gradient`, () => {
  test.each(named(torchCasesOf('nllLoss')))('%s', (_, { inputs, options, dims, expected, differs }) => {
    const { logProbabilities, targets, gradOutput, ...weights } = inputs;
    const [rows, classes] = [dims[0]!, dims[1]!];
    const { reduction, ...ignoring } = options;
    const result = nllLoss(logProbabilities, targets, rows, classes, { ...ignoring, ...weights });
    const reduced = reduction === 'sum' ? result.lossSum : result.mean;
    expectClose(reduction === 'none' ? result.losses : [reduced], expected.loss, BOUND);
    const gradient = nllLossGradient(logProbabilities, targets, rows, classes, {
      ...options,
      ...weights,
      ...(gradOutput === undefined ? {} : { gradOutput }),
    });
    if (differs === undefined) expectClose(gradient, expected.gradInput, BOUND);
    else expect([...gradient].every((each) => each === 0)).toBe(true);
  });

  test.each(named(torchCasesOf('binaryCrossEntropyWithLogits')))(
    '%s',
    (_, { inputs, options: { reduction }, dims, expected }) => {
      const { logits, softTargets, ...weights } = inputs;
      const [rows, classes] = [dims[0]!, dims[1]!];
      const options = { ...weights, reduction };
      const loss =
        reduction === 'none'
          ? binaryCrossEntropyWithLogits(logits, softTargets, rows, classes, { ...options, reduction })
          : [binaryCrossEntropyWithLogits(logits, softTargets, rows, classes, { ...options, reduction })];
      expectClose(loss, expected.loss, BOUND);
      expectClose(
        binaryCrossEntropyWithLogitsGradient(logits, softTargets, rows, classes, options),
        expected.gradLogits,
        BOUND,
      );
    },
  );

  test.each(named(torchCasesOf('klDivergence')))(
    '%s',
    (_, { inputs, options: { reduction, logTarget }, dims, expected }) => {
      const { logProbabilities, softTargets } = inputs;
      const [rows, classes] = [dims[0]!, dims[1]!];
      const loss =
        reduction === 'none'
          ? klDivergence(logProbabilities, softTargets, rows, classes, { logTarget, reduction })
          : [klDivergence(logProbabilities, softTargets, rows, classes, { logTarget, reduction })];
      expectClose(loss, expected.loss, BOUND);
      expectClose(
        klDivergenceGradient(logProbabilities, softTargets, rows, classes, { logTarget, reduction }),
        expected.gradInput,
        BOUND,
      );
    },
  );
});

describe(`softmax, its log and log-sum-exp along any axis are PyTorch’s within ${BOUND}`, () => {
  test.each(named(torchCasesOf('softmax')))('%s', (_, { inputs, dims, axis, expected }) => {
    expectClose(mapAxis(inputs.logits, dims, axis, softmax), expected.output, BOUND);
  });

  test.each(named(torchCasesOf('logSoftmax')))('%s', (_, { inputs, dims, axis, expected }) => {
    expectClose(mapAxis(inputs.logits, dims, axis, logSoftmax), expected.output, BOUND);
  });

  test.each(named(torchCasesOf('logSumExp')))('%s', (_, { inputs, dims, axis, expected }) => {
    expectClose(reduceAxis(inputs.logits, dims, axis, logSumExp), expected.output, BOUND);
  });
});
