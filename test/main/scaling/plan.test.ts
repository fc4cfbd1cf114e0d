import { describe, expect, test } from 'vitest';
import { checkScalingOptions, defaultThreads, type ScalingOptions } from '#softshard/main/scaling/options.js';
import { shapeText } from '#softshard/main/scaling/plan.js';

const planned = (options: ScalingOptions): string[] =>
  checkScalingOptions(options).workloads.map((one) => `${one.preset} ${one.operation} ${shapeText(one)}`);

describe('what is measured', () => {
  test('are all presets without a choice', () => {
    expect(new Set(planned({}).map((text) => text.split(' ')[0]))).toEqual(
      new Set(['vocab', 'probe', 'images']),
    );
  });

  test('of a shape of one matrix are softmax and cross-entropy', () => {
    expect(planned({ shape: { rows: 10, columns: 7 } })).toEqual([
      'own softmax 10 × 7',
      'own crossEntropyGradient 10 × 7',
    ]);
  });

  test('of few classes is training, of many the loss over the layer', () => {
    const operations = (classes: number) =>
      checkScalingOptions({ shape: { rows: 10, features: 5, classes } }).workloads.map(
        ({ operation }) => operation,
      );
    expect(operations(10)).toEqual(['softmax', 'crossEntropyGradient', 'trainingStep', 'fullBatchPass']);
    expect(operations(50_000)).toEqual(['softmax', 'crossEntropyGradient', 'linearCrossEntropy']);
  });

  test('may be chosen, also what is not usual for the shape', () => {
    const shape = { rows: 10, features: 5, classes: 10 };
    expect(planned({ shape, operations: ['linearCrossEntropy'] })).toEqual([
      'own linearCrossEntropy 10 × 5 × 10',
    ]);
  });

  test('of a preset may have other sizes', () => {
    expect(planned({ presets: ['images'], shape: { rows: 100 }, operations: ['fullBatchPass'] })).toEqual([
      'images fullBatchPass 100 × 784 × 10',
    ]);
  });

  test.each<[string, ScalingOptions, string]>([
    ['a preset that is none', { presets: ['vocabulary' as 'vocab'] }, 'options.presets[0]'],
    [
      'a shape with several presets',
      { presets: ['vocab', 'probe'], shape: { rows: 5 } },
      'options.shape.rows',
    ],
    ['a shape without columns', { shape: { rows: 5 } }, 'options.shape.columns'],
    ['features without classes', { shape: { columns: 5, features: 5 } }, 'options.shape.classes'],
    ['a wrong size', { shape: { columns: 2.5 } }, 'options.shape.columns'],
    ['an unknown size', { shape: { cols: 5 } as object }, 'options.shape.cols'],
    [
      'operations that do not fit',
      { shape: { columns: 5 }, operations: ['trainingStep'] },
      'options.operations',
    ],
    ['more than an engine holds', { shape: { rows: 1e6, columns: 1e4 } }, 'options.shape.rows'],
    ['no threads', { threads: [] }, 'options.threads'],
    ['half a thread', { threads: [1, 0.5] }, 'options.threads[1]'],
    ['a budget below nothing', { seconds: -1 }, 'options.seconds'],
    ['an unknown option', { preset: 'vocab' } as object, 'options.preset'],
  ])('refuses %s', (_, options, argument) => {
    expect(() => checkScalingOptions(options)).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION', argument }),
    );
  });
});

test('threads are powers of two and what the machine allows, ascending and each once', () => {
  expect(defaultThreads(1)).toEqual([1]);
  expect(defaultThreads(6)).toEqual([1, 2, 4, 6]);
  expect(defaultThreads(8)).toEqual([1, 2, 4, 8]);
  expect(checkScalingOptions({ threads: [4, 1, 4] }).threads).toEqual([1, 4]);
});
