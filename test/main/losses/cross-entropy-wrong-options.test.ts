import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine } from '#softshard/main/index.js';
import { failure } from '../../failure.js';

describe('wrong options', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await Engine.create({ threads: 1 });
  });
  afterAll(() => engine.close());

  test.each<[string, string, RegExp, Record<string, unknown>]>([
    [
      'a weight of the wrong length',
      'ERR_SHAPE',
      /options\.weight has 2 entries for 3 classes/,
      { weight: [1, 2] },
    ],
    ['a negative weight', 'ERR_OPTION', /options\.weight\[1\] is -1.*at least 0/, { weight: [1, -1, 1] }],
    ['a weight that is none', 'ERR_TYPE', /options\.weight is 3/, { weight: 3 }],
    [
      'a NaN sample weight',
      'ERR_OPTION',
      /options\.sampleWeight\[0\] is NaN/,
      { sampleWeight: [Number.NaN, 1] },
    ],
    [
      'label smoothing above 1',
      'ERR_OPTION',
      /options\.labelSmoothing is 1\.5.*from 0 to 1/,
      { labelSmoothing: 1.5 },
    ],
    ['temperature 0', 'ERR_OPTION', /options\.temperature is 0.*above 0/, { temperature: 0 }],
    ['softcap 0', 'ERR_OPTION', /options\.softcap is 0/, { softcap: 0 }],
    ['a negative z-loss', 'ERR_OPTION', /options\.zLoss is -1/, { zLoss: -1 }],
    ['a fractional ignoreIndex', 'ERR_OPTION', /options\.ignoreIndex is 0\.5/, { ignoreIndex: 0.5 }],
    ['gradOutput with a mean', 'ERR_OPTION', /reduction 'mean'.*'none'/, { gradOutput: [1, 1] }],
    ['an infinite gradScale', 'ERR_OPTION', /options\.gradScale is Infinity/, { gradScale: Infinity }],
    ['onEmpty that is none', 'ERR_OPTION', /'nan', 'zero', 'throw'/, { onEmpty: 'one' }],
    ['an unknown statistic', 'ERR_OPTION', /'argMin'.*'argMax'/, { statistics: ['argMin'] }],
    ['topK above the classes', 'ERR_OPTION', /options\.topK is 4/, { topK: 4 }],
    ['a mask of floats', 'ERR_TYPE', /options\.mask is/, { mask: new Float32Array(6) }],
    ['a mask of the wrong size', 'ERR_SHAPE', /options\.mask has 3 entries/, { mask: new Uint8Array(3) }],
    ['an axis out of range', 'ERR_OPTION', /options\.axis is 2.*from -2 to 1/, { axis: 2 }],
    ['a misspelled option', 'ERR_OPTION', /no option 'labelsmoothing'/, { labelsmoothing: 0.1 }],
  ])('%s: %s', async (_, code, message, options) => {
    const logits = { type: 'float32', dims: [2, 3], data: new Float32Array(6) } as const;
    const error = await failure(() => engine.crossEntropyGradient(logits, [0, 1], options as never));
    expect({ code: error.code, message: error.message }).toEqual({
      code,
      message: expect.stringMatching(message),
    });
  });

  test('targets that are missing or names, and arrays that are not of floats: the message has the remedy', async () => {
    const wrong = (value: unknown) => value as never;
    const floats = new Float32Array(6);
    const calls: [() => Promise<unknown>, RegExp][] = [
      [
        () => engine.crossEntropy(floats, wrong({ columns: 3 })),
        /^targets is missing: options come after it/,
      ],
      [() => engine.crossEntropyGradient(floats, wrong({ columns: 3 })), /^targets is missing/],
      [
        () => engine.crossEntropy(floats, wrong(['setosa', 'b']), { columns: 3 }),
        /targets\[0\] is 'setosa'.*matchLabels\(labels, classNames\)/,
      ],
      [
        () => engine.crossEntropy(floats, [0, 1], { columns: 3, statistics: ['argMax', wrong('x')] }),
        /options\.statistics\[1\] is 'x'/,
      ],
      [
        () => engine.binaryCrossEntropyWithLogits(floats, wrong(Int32Array.of(0, 1)), { columns: 3 }),
        /it takes a number for each element, no class indices/,
      ],
      [() => engine.softmax(wrong([1, 2, 3])), /Float32Array\.from\(…\) converts/],
      [() => engine.softmax(wrong(Int32Array.of(1, 2, 3))), /Float32Array\.from\(…\) converts/],
    ];
    for (const [call, message] of calls) expect((await failure(call)).message).toMatch(message);
  });

  test('statistics of the target with soft targets: ERR_OPTION', async () => {
    const call = () =>
      engine.crossEntropy(new Float32Array(6), new Float32Array(6), { columns: 3, statistics: ['margin'] });
    expect((await failure(call)).message).toMatch(/'margin', which needs class indices/);
  });

  test('a target that is neither a class nor ignoreIndex says so', async () => {
    const error = await failure(() =>
      engine.crossEntropy(new Float32Array(6), [0, 3], { columns: 3, ignoreIndex: -1 }),
    );
    expect(error).toMatchObject({ code: 'ERR_TARGET_RANGE', row: 1, value: 3 });
    expect(error.message).toContain('or -1 (options.ignoreIndex)');
  });
});
