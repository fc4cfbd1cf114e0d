// lossOfFiles gives, part by part, what the engine gives for the whole arrays: the same bits, in files.
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine, type Files, lossOfFiles, openNpy, type TargetArray } from '#softshard/main/index.js';
import { type Descr, product, randomNumbers, writeArray } from '../cli/npy-workbench.js';
import { temporaryFolder } from '../cli/workbench.js';

const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);
const engines: Engine[] = [];
const ROWS = 5000;
const CLASSES = 10;
const dims = [ROWS, CLASSES];

/** The bits of numbers that float16 has: multiples of 1/8 from -8 to 8. */
const halfBits = (values: Float32Array): Uint16Array =>
  Uint16Array.from(values, (value) => {
    const eighths = Math.round(Math.max(-8, Math.min(8, value)) * 8);
    if (eighths === 0) return 0;
    const exponent = Math.floor(Math.log2(Math.abs(eighths)));
    const fraction = (Math.abs(eighths) / 2 ** exponent - 1) * 1024;
    return (eighths < 0 ? 0x8000 : 0) | ((exponent - 3 + 15) << 10) | fraction;
  });

const numbers = { student: randomNumbers(product(dims), 1), teacher: randomNumbers(product(dims), 2) };
const targets = Int32Array.from({ length: ROWS }, (_, row) => (row % 11 === 0 ? -100 : (row * 7) % CLASSES));
const weight = randomNumbers(CLASSES, 3).map(Math.abs);

const TYPES = { float16: '<f2', float32: '<f4', float64: '<f8' } as const;
type Type = keyof typeof TYPES;

function tensorOf(type: Type, values: Float32Array) {
  const data = {
    float16: () => halfBits(values),
    float32: () => values.slice(),
    float64: () => Float64Array.from(values),
  }[type]();
  return { type, dims, data } as { type: 'float32'; dims: number[]; data: Float32Array };
}

beforeAll(async () => {
  for (const threads of [1, 3]) engines.push(await Engine.create({ threads, numerics: 'portable' }));
  for (const [name, values] of Object.entries(numbers)) {
    for (const type of ['float16', 'float32', 'float64'] as const) {
      writeArray(folder, `${name}-${type}.npy`, TYPES[type] as Descr, dims, tensorOf(type, values).data);
    }
  }
  writeArray(folder, 'targets.npy', '<i8', [ROWS], targets);
  writeArray(folder, 'weight.npy', '<f4', [CLASSES], weight);
});

afterAll(async () => {
  for (const engine of engines) await engine.close();
});

function writeSafetensors(name: string, tensors: object, data: Buffer): string {
  const header = Buffer.from(JSON.stringify(tensors));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  writeFileSync(at(name), Buffer.concat([length, header, data]));
  return at(name);
}

async function arrayOf(name: string): Promise<Files.StoredView> {
  const file = await openNpy(at(name));
  const values = await file.readElements(0, product(file.dims));
  await file.close();
  return values;
}

/** By several engines and sizes of parts. */
async function everyWay(options: Omit<Files.LossOfFilesOptions, 'gradient' | 'losses'>) {
  const ways: { result: Files.FilesLoss; gradient: Files.StoredView; losses: Files.StoredView }[] = [];
  for (const [engine, partBytes] of [
    [engines[0], undefined],
    [engines[1], 1],
    [engines[1], 60_000],
  ] as const) {
    const files = { gradient: at('gradient.npy'), losses: at('losses.npy') };
    const result = await lossOfFiles(engine!, { ...options, ...files, partBytes });
    ways.push({ result, gradient: await arrayOf('gradient.npy'), losses: await arrayOf('losses.npy') });
  }
  for (const { result, gradient, losses } of ways) {
    expect({ ...result, parts: 0 }).toEqual({ ...ways[0]!.result, parts: 0 });
    expect([gradient, losses]).toEqual([ways[0]!.gradient, ways[0]!.losses]);
  }
  expect(ways[1]!.result.parts).toBeGreaterThan(1);
  return ways[0]!;
}

describe.each(['float16', 'float32', 'float64'] as const)('of %s logits', (type) => {
  const student = () => tensorOf(type, numbers.student);
  const teacher = () => tensorOf(type, numbers.teacher);
  const logits = at(`student-${type}.npy`);
  const file = at(`teacher-${type}.npy`);

  test('cross-entropy has the bits of the engine’s', async () => {
    const options = { temperature: 2, ignoreIndex: -100 };
    const ways = await everyWay({ logits, targets: at('targets.npy'), ...options });
    const want = await engines[0]!.crossEntropyGradient(student(), targets as TargetArray, options);
    const { loss, lossSum, weightSum } = ways.result;
    expect({ loss, lossSum, weightSum }).toEqual({
      loss: want.loss,
      lossSum: want.lossSum,
      weightSum: want.weightSum,
    });
    expect(ways.gradient).toEqual(want.gradLogits.data);
    expect(ways.result).toMatchObject({
      rows: ROWS,
      classes: CLASSES,
      dims,
      axis: 1,
      type,
      softTargets: false,
    });
  });

  test('the divergence from a teacher is that of klDivergence per row', async () => {
    const { result, gradient, losses } = await everyWay({ logits, teacher: file, temperature: 3 });
    const of = { targetLogits: teacher() };
    const options = { temperature: 3, reduction: 'batchmean' } as const;
    const want = await engines[0]!.klDivergenceGradient(student(), of, options);
    expect([result.loss, result.lossSum, result.weightSum]).toEqual([want.loss, want.lossSum, ROWS]);
    expect(gradient).toEqual(want.gradLogits.data);
    const each = await engines[0]!.klDivergence(student(), of, { temperature: 3, reduction: 'none' });
    expect(losses).toEqual(each.losses);
    expect(result).not.toHaveProperty('perplexity');
  });

  test('with targets too it is distillation', async () => {
    const options = { temperature: 2, alpha: 0.3 };
    const { result, gradient } = await everyWay({
      logits,
      teacher: file,
      targets: at('targets.npy'),
      ...options,
    });
    const want = await engines[0]!.distillationGradient(
      student(),
      teacher(),
      targets as TargetArray,
      options,
    );
    const { loss, lossSum, weightSum, divergenceSum, crossEntropySum } = result;
    expect({ loss, lossSum, weightSum, divergenceSum, crossEntropySum }).toEqual({
      loss: want.loss,
      lossSum: want.lossSum,
      weightSum: want.weightSum,
      divergenceSum: want.divergenceSum,
      crossEntropySum: want.crossEntropySum,
    });
    expect(gradient).toEqual(want.gradLogits.data);
  });
});

const FILES = { logits: at('student-float32.npy'), targets: at('targets.npy') };

test('the standard errors are those of the metrics, within 1e-9', async () => {
  const { perplexity, perplexityStandardError, lossStandardError } = await lossOfFiles(engines[0]!, FILES);
  const metrics = engines[0]!.metrics({ classes: CLASSES });
  await metrics.add(tensorOf('float32', numbers.student), targets as TargetArray);
  const want = metrics.report();
  expect(lossStandardError! / want.lossStandardError).toBeCloseTo(1, 6);
  expect(perplexity! / want.perplexity).toBeCloseTo(1, 6);
  expect(perplexityStandardError! / want.perplexityStandardError).toBeCloseTo(1, 6);
});

test('with weights of classes the standard error is that of the weighted mean', async () => {
  const { losses, loss, weightSum } = await lossOfFiles(engines[0]!, {
    ...FILES,
    weight: at('weight.npy'),
    reduction: 'none',
  });
  const { lossStandardError } = await lossOfFiles(engines[0]!, { ...FILES, weight: at('weight.npy') });
  let squares = 0;
  let kept = 0;
  for (const [row, target] of targets.entries()) {
    if (target < 0) continue;
    squares += (losses![row]! - loss * weight[target]!) ** 2;
    kept++;
  }
  expect(lossStandardError! / (Math.sqrt((kept / (kept - 1)) * squares) / weightSum)).toBeCloseTo(1, 6);
});

test.each([
  [{ labelSmoothing: 0.1 }, true],
  [{ focalGamma: 1 }, true],
  [{ zLoss: 0.1 }, false],
])('there is no perplexity of a loss with %j', async (options, hasError) => {
  const result = await lossOfFiles(engines[0]!, { ...FILES, ...options });
  expect(result).not.toHaveProperty('perplexity');
  expect(result.lossStandardError !== undefined).toBe(hasError);
});

test('memory of the engine is as before, also after a failure', async () => {
  const before = engines[1]!.memoryUsage().usedBytes;
  await lossOfFiles(engines[1]!, { ...FILES, partBytes: 1 });
  const reason = new Error('enough');
  const onProgress = () => {
    throw reason;
  };
  await expect(lossOfFiles(engines[1]!, { ...FILES, partBytes: 1, onProgress })).rejects.toBe(reason);
  expect(engines[1]!.memoryUsage().usedBytes).toBe(before);
});

test('onStart sees what is to be done, and may refuse it before any output is begun', async () => {
  const reason = new Error('too many');
  let about: Files.AboutLoss | undefined;
  const onStart = (seen: Files.AboutLoss) => {
    about = seen;
    throw reason;
  };
  const gradient = at('never.npy');
  await expect(lossOfFiles(engines[0]!, { ...FILES, gradient, onStart })).rejects.toBe(reason);
  expect(about).toMatchObject({
    rows: ROWS,
    classes: CLASSES,
    axis: 1,
    type: 'float32',
    parts: expect.any(Number),
  });
  await expect(openNpy(gradient)).rejects.toThrow(/there is no such file/);
});

test.each<[Partial<Files.LossOfFilesOptions>, RegExp]>([
  [{ targets: undefined }, /^options\.targets is missing: .*options\.teacher/],
  [
    { teacher: at('teacher-float64.npy') },
    /expected the teacher's logits as float32 or float16, .* found float64/,
  ],
  [{ teacher: at('targets.npy') }, /expected the teacher's logits as .* found int64/],
  [
    { teacher: at('teacher-float32.npy'), labelSmoothing: 0.1 },
    /^options\.labelSmoothing is not for distillation/,
  ],
  [
    { teacher: at('teacher-float32.npy'), weight: at('weight.npy') },
    /^options\.weight is not for distillation/,
  ],
  [
    { teacher: at('teacher-float32.npy'), targets: undefined, ignoreIndex: 1 },
    /^options\.ignoreIndex is not for the divergence from a teacher/,
  ],
  [
    { teacher: at('teacher-float32.npy'), targets: at('student-float32.npy') },
    /expected class indices, which distillation/,
  ],
  [{ alpha: 0.5 }, /^options\.alpha is the share of the teacher/],
  [{ partBytes: 0 }, /^options\.partBytes is 0/],
  [{ temprature: 2 } as object, /no option 'temprature' \(did you mean temperature\?\)/],
])('refuses %j', async (options, message) => {
  await expect(lossOfFiles(engines[0]!, { ...FILES, ...options })).rejects.toThrow(message);
});

test.skipIf(process.platform === 'win32')(
  'pipes get the gradient and the losses, and stay pipes',
  async () => {
    const pipes = { gradient: at('gradient-pipe'), losses: at('losses-pipe') };
    for (const pipe of Object.values(pipes)) execFileSync('mkfifo', [pipe]);
    const reading = Promise.all(Object.values(pipes).map((pipe) => readFile(pipe)));
    await lossOfFiles(engines[0]!, { ...FILES, ...pipes });
    const files = { gradient: at('gradient.npy'), losses: at('losses.npy') };
    await lossOfFiles(engines[0]!, { ...FILES, ...files });
    const [gradient, losses] = await reading;
    expect(gradient!.equals(readFileSync(files.gradient))).toBe(true);
    expect(losses!.equals(readFileSync(files.losses))).toBe(true);
    for (const pipe of Object.values(pipes)) expect(statSync(pipe).isFIFO()).toBe(true);
  },
);

test('bfloat16 logits of a safetensors file have the bits of the engine’s', async () => {
  const bits = Uint16Array.from(new Uint32Array(numbers.student.slice().buffer), (word) => word >>> 16);
  const tensors = { logits: { dtype: 'BF16', shape: dims, data_offsets: [0, bits.byteLength] } };
  const logits = writeSafetensors('student.safetensors', tensors, Buffer.from(bits.buffer));
  const options = { ignoreIndex: -100 };
  const want = await engines[0]!.crossEntropy({ type: 'bfloat16', dims, data: bits }, targets, options);
  for (const partBytes of [undefined, 1]) {
    const { type, loss } = await lossOfFiles(engines[1]!, {
      logits,
      targets: at('targets.npy'),
      ...options,
      partBytes,
    });
    expect([type, loss]).toEqual(['bfloat16', want.loss]);
  }
  const gradient = at('no.npy');
  await expect(lossOfFiles(engines[0]!, { logits, targets: at('targets.npy'), gradient })).rejects.toThrow(
    'its gradient would be bfloat16, which .npy does not know',
  );
});

test('a file of several arrays is refused, for logits would pass for soft targets', async () => {
  const bytes = 4 * product(dims);
  const tensors = {
    logits: { dtype: 'F32', shape: dims, data_offsets: [0, bytes] },
    targets: { dtype: 'I32', shape: [ROWS], data_offsets: [bytes, bytes + 4 * ROWS] },
  };
  const both = writeSafetensors('both.safetensors', tensors, Buffer.alloc(bytes + 4 * ROWS));
  await expect(
    lossOfFiles(engines[0]!, { logits: at('student-float32.npy'), targets: both }),
  ).rejects.toThrow(
    'both.safetensors: expected one array, found "logits", "targets". Save the array by itself',
  );
});
