import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Model, readModelFile, writeModelFile } from '#softshard/main/models/model-file.js';
import { RandomStream } from '#softshard/main/training/random.js';
import { failure, useFolder } from '../data/workbench.js';

const folder = useFolder();
let path: string;

beforeEach(() => {
  path = join(folder.path, 'model.safetensors');
});

afterEach(() => vi.restoreAllMocks());

const smallest: Model = {
  weights: Float32Array.of(1, -2, 3.5, 0, 1e-45, -1e38),
  bias: Float32Array.of(0.5, -0.25),
  features: 3,
  classes: 2,
  softshardVersion: '0.1.0',
};

const full: Model = {
  ...smallest,
  classNames: ['T-shirt/top', 'größer "als"\n'],
  featureNames: ['sepal length (cm)', '', 'größer "als"\n'],
  featureScaling: { shift: [1, 2, 0.5], scale: 1 / 255 },
  trainingOptions: {
    epochs: 20,
    learningRate: 0.1,
    optimizer: 'lbfgs',
    layers: [1, { deep: null }],
    shuffle: true,
  },
};

const finiteFloats = (length: number) =>
  fc.float32Array({ minLength: length, maxLength: length, noNaN: true, noDefaultInfinity: true });

describe('writeModelFile and readModelFile', () => {
  it.each([
    ['the smallest', smallest],
    ['one with everything', full],
    ['one with scalings for all features', { ...smallest, featureScaling: { shift: 0.1, scale: 1 / 255 } }],
    [
      'one with scalings for each feature',
      { ...smallest, featureScaling: { shift: [1, 2, 3], scale: [4, 5, 6] } },
    ],
    ['one with empty options', { ...smallest, trainingOptions: {} }],
  ])('round-trip a model: %s', async (_, model) => {
    await writeModelFile(path, model);
    expect(await readModelFile(path)).toEqual(model);
    expect(folder.names()).toEqual(['model.safetensors']);
  });

  it('round-trip weights bit for bit, views on shared memory too', async () => {
    const models = fc
      .tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 2, max: 5 }))
      .chain(([features, classes]) =>
        fc.record({
          features: fc.constant(features),
          classes: fc.constant(classes),
          weights: finiteFloats(features * classes),
          bias: finiteFloats(classes),
          classNames: fc.array(fc.string({ unit: 'grapheme' }), { minLength: classes, maxLength: classes }),
          softshardVersion: fc.string(),
        }),
      );
    await fc.assert(
      fc.asyncProperty(models, async (model) => {
        const weights = new Float32Array(new SharedArrayBuffer(16 + 4 * model.weights.length), 16);
        new Uint8Array(weights.buffer, 16).set(
          new Uint8Array(model.weights.buffer, model.weights.byteOffset, weights.byteLength),
        );
        await writeModelFile(path, { ...model, weights });
        const found = await readModelFile(path);
        expect(Buffer.from(found.weights.buffer)).toEqual(Buffer.from(weights.slice().buffer));
        expect(found.bias).toEqual(model.bias);
        expect(found.classNames).toEqual(model.classNames);
        expect(found.softshardVersion).toBe(model.softshardVersion);
      }),
      { numRuns: 50 },
    );
  });

  it('lays the file out as safetensors wants it', async () => {
    await writeModelFile(path, full);
    const { header, tensors } = takeApart(readFileSync(path));
    expect(header).toMatchObject({
      weights: { dtype: 'F32', shape: [3, 2], data_offsets: [0, 24] },
      bias: { dtype: 'F32', shape: [2], data_offsets: [24, 32] },
      'featureScaling.shift': { dtype: 'F32', shape: [3], data_offsets: [32, 44] },
    });
    expect(Object.keys(header).length).toBe(4);
    const metadata = header.__metadata__ as Record<string, string>;
    expect(metadata).toMatchObject({ format: 'softshard', softshardVersion: '0.1.0' });
    expect(Object.values(metadata).every((value) => typeof value === 'string')).toBe(true);
    expect(JSON.parse(metadata.trainingOptions!)).toEqual(full.trainingOptions);
    expect(tensors.length).toBe(44);
    expect(tensors.readFloatLE(8)).toBe(3.5);
  });

  it('align the tensors to 8 bytes by spaces, whatever the length of the header', async () => {
    for (let length = 0; length < 9; length++) {
      await writeModelFile(path, { ...smallest, softshardVersion: 'x'.repeat(length) });
      const bytes = readFileSync(path);
      expect(Number(bytes.readBigUInt64LE()) % 8).toBe(0);
      expect(bytes.toString('latin1', 8, 9)).toBe('{');
      expect((await readModelFile(path)).softshardVersion.length).toBe(length);
    }
  });
});

describe('writeModelFile', () => {
  it.each([
    ['weights', { weights: new Float32Array(5) }, 'features × classes = 6, got 5'],
    ['bias', { bias: new Float32Array(3) }, 'classes = 2, got 3'],
    ['classNames', { classNames: ['a'] }, 'classes = 2, got 1'],
    ['featureNames', { featureNames: ['a'] }, 'features = 3, got 1'],
    ['featureScaling.scale', { featureScaling: { shift: 0, scale: [1, 2] } }, 'features = 3, got 2'],
  ])('refuses %s of a wrong length, before touching the file', async (argument, change, finding) => {
    writeFileSync(path, 'former');
    const error = await failure(writeModelFile(path, { ...smallest, ...change }), 'ERR_SHAPE', finding);
    expect(error.argument).toBe(`model.${argument}`);
    expect(readFileSync(path, 'utf8')).toBe('former');
  });

  it('refuses numbers that JSON would turn into null', async () => {
    const notFinite = { ...smallest, trainingOptions: { nested: [{ rate: Number.NaN }] } };
    await failure(writeModelFile(path, notFinite), 'ERR_OPTION', 'model.trainingOptions', 'NaN as "rate"');
    const scaling = { ...smallest, featureScaling: { shift: 0, scale: Infinity } };
    await failure(writeModelFile(path, scaling), 'ERR_OPTION', 'model.featureScaling', 'Infinity as "scale"');
    expect(folder.names()).toEqual([]);
  });

  it('refuses parameters that are not finite, but for a bias that leaves its class out', async () => {
    for (const name of ['weights', 'bias'] as const) {
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
        const values = smallest[name].slice().fill(value, 1, 2);
        await failure(
          writeModelFile(path, { ...smallest, [name]: values }),
          'ERR_NOT_FINITE',
          `model.${name}[1] is ${value}`,
        );
      }
    }
    expect(folder.names()).toEqual([]);
    const model = { ...smallest, bias: Float32Array.of(0, Number.NEGATIVE_INFINITY) };
    await writeModelFile(path, model);
    expect(await readModelFile(path)).toEqual(model);
  });

  it('refuses options that go in circles or deeper than they can be read (R5)', async () => {
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; i++) deep = [deep];
    let just: unknown = 1;
    for (let i = 0; i < 63; i++) just = [just];
    for (const trainingOptions of [circle, { deep }, { big: 1n }, { just: [just] }]) {
      const model = { ...smallest, trainingOptions } as Model;
      await failure(writeModelFile(path, model), 'ERR_OPTION', 'model.trainingOptions', '64 levels deep');
    }
    const model = { ...smallest, trainingOptions: { just } } as Model;
    await writeModelFile(path, model);
    expect(await readModelFile(path)).toEqual(model);
  });

  it('reports a missing folder and a folder in the way, with the cause', async () => {
    const missing = join(folder.path, 'none', 'model');
    const error = await failure(writeModelFile(missing, smallest), 'ERR_FILE', missing, 'ENOENT');
    expect(error.cause).toMatchObject({ code: 'ENOENT' });
    mkdirSync(path);
    await failure(writeModelFile(path, smallest), 'ERR_FILE', path);
    expect(folder.names()).toEqual(['model.safetensors']);
  });

  it('leaves the former model and no other file when the disk is full after the weights', async () => {
    await writeModelFile(path, full);
    const former = readFileSync(path);
    const handle = await open(path, 'r');
    const prototype = Object.getPrototypeOf(handle) as { write(...call: unknown[]): Promise<unknown> };
    await handle.close();
    const original = prototype.write;
    let writes = 0;
    vi.spyOn(prototype, 'write').mockImplementation(async function (this: object, ...call) {
      if (++writes > 2) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
      return original.apply(this as typeof prototype, call);
    });
    const error = await failure(writeModelFile(path, smallest), 'ERR_FILE', path, 'ENOSPC');
    expect(error.cause).toMatchObject({ code: 'ENOSPC' });
    expect(writes, 'header, weights and the failing bias').toBe(3);
    expect(readFileSync(path)).toEqual(former);
    expect(folder.names()).toEqual(['model.safetensors']);
  });
});

interface Parts {
  header: Record<string, unknown>;
  tensors: Buffer;
}

function takeApart(bytes: Buffer): Parts {
  const end = 8 + Number(bytes.readBigUInt64LE());
  return {
    header: JSON.parse(bytes.toString('utf8', 8, end)) as Parts['header'],
    tensors: bytes.subarray(end),
  };
}

function putTogether(header: unknown, tensors: Uint8Array): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, tensors]);
}

/** Writes the full model with its header or tensors changed. */
async function changed(change: (parts: Parts) => void): Promise<void> {
  await writeModelFile(path, full);
  const parts = takeApart(readFileSync(path));
  change(parts);
  writeFileSync(path, putTogether(parts.header, parts.tensors));
}

const entry = (parts: Parts, name: string) => parts.header[name] as Record<string, unknown>;
const metadata = (parts: Parts) => parts.header.__metadata__ as Record<string, unknown>;

describe('readModelFile', () => {
  it('reads a header without padding and tensors in any order', async () => {
    await changed((parts) => {
      const { weights, bias } = {
        weights: parts.tensors.subarray(0, 24),
        bias: parts.tensors.subarray(24, 32),
      };
      parts.tensors = Buffer.concat([bias, weights, parts.tensors.subarray(32)]);
      entry(parts, 'bias').data_offsets = [0, 8];
      entry(parts, 'weights').data_offsets = [8, 32];
      metadata(parts).softshardVersion = '0.1.0-odd';
    });
    expect(await readModelFile(path)).toEqual({ ...full, softshardVersion: '0.1.0-odd' });
  });

  it('reports a file cut at any byte', async () => {
    await writeModelFile(path, smallest);
    const whole = readFileSync(path);
    for (let length = 0; length < whole.length; length++) {
      writeFileSync(path, whole.subarray(0, length));
      await failure(readModelFile(path), 'ERR_FORMAT', path, `byte ${length} of the file`, 'truncated');
    }
  });

  it('reports trailing bytes', async () => {
    await writeModelFile(path, smallest);
    const whole = readFileSync(path);
    writeFileSync(path, Buffer.concat([whole, Buffer.from([0])]));
    await failure(readModelFile(path), 'ERR_FORMAT', path, `byte ${whole.length}`, 'the end of the file');
  });

  it.each([
    ['longer than the format allows', 100_000_001n, 'at most 100000000 bytes, found 100000001'],
    ['longer than any number', 2n ** 64n - 1n, 'at most 100000000 bytes'],
    ['longer than the file', 1_000_000n, 'a header of 1000000 bytes, found the end'],
  ])('reports a header %s, before allocating it', async (_, length, finding) => {
    const bytes = Buffer.alloc(64, '{');
    bytes.writeBigUInt64LE(length);
    writeFileSync(path, bytes);
    await failure(readModelFile(path), 'ERR_FORMAT', path, finding);
  });

  it.each([
    ['text', 'not a model at all, but long enough', 'found text, such as CSV'],
    ['a header that is an array', putTogether('[]', Buffer.alloc(0)), 'begins with "{"'],
    ['a header with space in front', putTogether(' {}', Buffer.alloc(0)), 'begins with "{"'],
    ['a header that is not JSON', putTogether('{"a":}', Buffer.alloc(0)), 'a header of JSON'],
    ['no metadata', putTogether('{}', Buffer.alloc(0)), '"format" to be "softshard", found nothing'],
    [
      "another program's model",
      putTogether({ __metadata__: { format: 'pt' } }, Buffer.alloc(0)),
      'found "pt"',
    ],
  ])('refuses %s', async (_, content, finding) => {
    writeFileSync(path, content);
    await failure(readModelFile(path), 'ERR_FORMAT', path, finding);
  });

  const changes: readonly [string, (parts: Parts) => void, string][] = [
    ['another format version', (parts) => (metadata(parts).formatVersion = '2'), 'version "1", found "2"'],
    ['metadata that is not text', (parts) => (metadata(parts).epochs = 3), 'map strings to strings'],
    ['metadata that is an array', (parts) => (parts.header.__metadata__ = []), 'map strings to strings'],
    [
      'no weights',
      (parts) => delete parts.header.weights,
      '"weights" of shape [features, classes], found nothing',
    ],
    ['no bias', (parts) => delete parts.header.bias, 'tensor "bias" of shape [2]'],
    [
      'a bias of another length',
      (parts) => (entry(parts, 'bias').shape = [3]),
      '"bias" of shape [2], found [3]',
    ],
    ['weights of one dimension', (parts) => (entry(parts, 'weights').shape = [6]), 'found [6]'],
    ['weights without features', (parts) => (entry(parts, 'weights').shape = [0, 2]), 'found [0,2]'],
    ['a shape of fractions', (parts) => (entry(parts, 'weights').shape = [1.5, 4]), '"shape" of counts'],
    ['a shape that is negative', (parts) => (entry(parts, 'weights').shape = [-3, -2]), '"shape" of counts'],
    ['a tensor that is null', (parts) => (parts.header.bias = null), '"bias" to have a "shape"'],
    ['another dtype', (parts) => (entry(parts, 'weights').dtype = 'BF16'), 'dtype "F32", found "BF16"'],
    ['an unknown tensor', (parts) => (parts.header.more = entry(parts, 'bias')), 'found "more"'],
    ['overlapping tensors', (parts) => (entry(parts, 'bias').data_offsets = [16, 24]), 'gap or overlap'],
    [
      'tensors that overlap and cover the file',
      (parts) => {
        entry(parts, 'featureScaling.shift').data_offsets = [24, 36];
        parts.tensors = parts.tensors.subarray(0, 36);
      },
      'begin at offset 32, without gap or overlap, found 24',
    ],
    [
      'a gap between tensors',
      (parts) => (entry(parts, 'bias').data_offsets = [28, 36]),
      'begin at offset 24',
    ],
    [
      'offsets for another shape',
      (parts) => (entry(parts, 'weights').data_offsets = [0, 20]),
      'to take 24 bytes',
    ],
    [
      'offsets backwards',
      (parts) => (entry(parts, 'bias').data_offsets = [32, 24]),
      'to take 8 bytes, found -8',
    ],
    ['three offsets', (parts) => (entry(parts, 'bias').data_offsets = [24, 32, 40]), 'two "data_offsets"'],
    ['no offsets', (parts) => delete entry(parts, 'bias').data_offsets, 'two "data_offsets", found nothing'],
    ['offsets beyond the file', (parts) => (parts.tensors = parts.tensors.subarray(0, 40)), 'truncated'],
    [
      'too few class names',
      (parts) => (metadata(parts).classNames = '["a"]'),
      '"classNames" to be 2 strings',
    ],
    [
      'feature names of another number (F2)',
      (parts) => (metadata(parts).featureNames = '["a", "b"]'),
      '"featureNames" to be 3 strings',
    ],
    [
      'feature names of which two are equal (F2)',
      (parts) => (metadata(parts).featureNames = '["a", "b", "a"]'),
      '"featureNames" to be different strings',
    ],
    ['class names that are numbers', (parts) => (metadata(parts).classNames = '[1, 2]'), 'to be 2 strings'],
    [
      'metadata that is not JSON',
      (parts) => (metadata(parts).classNames = 'a, b'),
      '"classNames" to be JSON',
    ],
    ['options that are no object', (parts) => (metadata(parts).trainingOptions = '3'), 'to be an object'],
    ['half a scaling', (parts) => (metadata(parts).featureScaling = '{}'), "scaling's scale once"],
    [
      'a part twice',
      (parts) => (metadata(parts).featureScaling = '{"shift":1,"scale":1}'),
      "scaling's shift once",
    ],
    [
      'a scaling tensor alone',
      (parts) => delete metadata(parts).featureScaling,
      'to be an object, found nothing',
    ],
  ];

  it.each(changes)('refuses %s', async (_, change, finding) => {
    await changed(change);
    const error = await failure(readModelFile(path), 'ERR_FORMAT', path, finding);
    expect(error.argument).toBe('path');
  });

  it('reports dims that promise more than the file has, before allocating', async () => {
    const bytes = 4 * 1e6 * 1e6;
    await changed((parts) => {
      parts.header = { __metadata__: { format: 'softshard', formatVersion: '1' } };
      parts.header.weights = { dtype: 'F32', shape: [1e6, 1e6], data_offsets: [0, bytes] };
      parts.header.bias = { dtype: 'F32', shape: [1e6], data_offsets: [bytes, bytes + 4e6] };
    });
    await failure(readModelFile(path), 'ERR_FORMAT', path, 'truncated');
  });

  const NESTED = 100_000;
  const nested = (text: string) => '['.repeat(NESTED) + text + ']'.repeat(NESTED);
  it.each([
    [
      'header',
      () => putTogether(`{"a":${nested('')}}`, Buffer.alloc(0)),
      'at most 1000 entries, 3 levels deep',
    ],
    [
      'metadata',
      () => putTogether(`{"__metadata__":{"format":${nested('"softshard"')}}}`, Buffer.alloc(0)),
      'at most 1000 entries, 3 levels deep',
    ],
    ['trainingOptions', () => withMetadata('trainingOptions', `{"a":${nested('1')}}`), '64 levels deep'],
    ['classNames', () => withMetadata('classNames', nested('"a"')), '"classNames" to be 2 strings'],
    ['featureScaling', () => withMetadata('featureScaling', `{"shift":${nested('1')}}`), 'to be an object'],
  ])(
    'refuses a %s nested 100,000 deep with ERR_FORMAT and a short message (R5)',
    async (_, content, finding) => {
      writeFileSync(path, await content());
      const error = await failure(readModelFile(path), 'ERR_FORMAT', path, finding);
      expect(error.message.length).toBeLessThan(600);
      expect(String(error.value).length).toBeLessThan(300);
    },
  );

  /** The full model with this text in its metadata. */
  async function withMetadata(key: string, text: string): Promise<Buffer> {
    await changed((parts) => (metadata(parts)[key] = text));
    return readFileSync(path);
  }

  const LONG = 'x'.repeat(1_000_000);
  it.each<[string, (parts: Parts) => void]>([
    ['format', (parts) => (metadata(parts).format = LONG)],
    ['formatVersion', (parts) => (metadata(parts).formatVersion = LONG)],
    ['tensor', (parts) => (parts.header[LONG] = entry(parts, 'bias'))],
    ['tensor without a shape', (parts) => (parts.header[LONG] = {})],
    ['dtype', (parts) => (entry(parts, 'bias').dtype = LONG)],
    ['shape', (parts) => (entry(parts, 'bias').shape = Array(500).fill(1e15))],
    ['shape of text', (parts) => (entry(parts, 'bias').shape = [LONG])],
    ['offsets', (parts) => (entry(parts, 'bias').data_offsets = [LONG, LONG])],
    ['metadata of another type', (parts) => (metadata(parts).more = [LONG])],
    ['class name', (parts) => (metadata(parts).classNames = JSON.stringify([LONG]))],
    ['list of options', (parts) => (metadata(parts).trainingOptions = JSON.stringify([LONG, LONG]))],
    ['scaling', (parts) => (metadata(parts).featureScaling = JSON.stringify({ shift: LONG, scale: 1 }))],
    ['text that is no JSON', (parts) => (metadata(parts).classNames = LONG)],
  ])('cuts a %s of a million characters in message and value (R6)', async (_, change) => {
    await changed(change);
    const error = await failure(readModelFile(path), 'ERR_FORMAT', path);
    expect(error.message.length).toBeLessThan(700);
    expect(JSON.stringify(error.value ?? null).length).toBeLessThan(300);
  });

  it('refuses a header of many tensors or strings before it takes them apart (R8)', async () => {
    const tensors = Array.from(
      { length: 200_000 },
      (_, i) => `"t${i}":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`,
    );
    const many = `{"__metadata__":{"format":"softshard","formatVersion":"1"},${tensors.join()}}`;
    const parse = vi.spyOn(JSON, 'parse');
    writeFileSync(path, putTogether(many, Buffer.alloc(0)));
    await failure(readModelFile(path), 'ERR_FORMAT', path, 'a header of at most 1000 entries');
    expect(parse).not.toHaveBeenCalled();
    writeFileSync(path, await withMetadata('classNames', JSON.stringify(Array(300_000).fill('"],[{'))));
    parse.mockClear();
    await failure(readModelFile(path), 'ERR_FORMAT', path, '"classNames" to be 2 strings (at most 2 entries');
    expect(parse).toHaveBeenCalledTimes(1);
  });

  it('takes names and options of any length whose characters look like nesting (R8)', async () => {
    const classNames = ['[{,'.repeat(5_000), `"\\${'\\'.repeat(99)}"],{`];
    const trainingOptions = { weight: Array.from({ length: 5000 }, (_, i) => i), note: '[['.repeat(5000) };
    await writeModelFile(path, { ...full, classNames, trainingOptions });
    expect(await readModelFile(path)).toEqual({ ...full, classNames, trainingOptions });
  });

  it.each([
    ['weights', 0],
    ['bias', 24],
    ['featureScaling.shift', 32],
  ])('refuses NaN and infinities in stored %s', async (name, offset) => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      await changed(({ tensors }) => tensors.writeFloatLE(value, offset + 4));
      await failure(
        readModelFile(path),
        'ERR_FORMAT',
        path,
        `tensor "${name}" [1]: expected a finite number, found ${value}`,
      );
    }
  });

  it('refuses a scaling that float32 cannot hold, and metadata of null and numbers', async () => {
    for (const scaling of [
      '{"shift":1e39,"scale":1}',
      '{"shift":1e999,"scale":1}',
      '{"shift":null,"scale":1}',
    ]) {
      await changed((parts) => {
        metadata(parts).featureScaling = scaling;
        delete parts.header['featureScaling.shift'];
        parts.tensors = parts.tensors.subarray(0, 32);
      });
      await failure(readModelFile(path), 'ERR_FORMAT', path, "the feature scaling's shift once");
    }
    for (const value of [null, 1, true, {}]) {
      await changed((parts) => (metadata(parts).classNames = value));
      await failure(readModelFile(path), 'ERR_FORMAT', path, 'map strings to strings');
    }
  });

  it('takes any damage to a file as ERR_FORMAT or as a model of finite numbers (R5, R6, R8)', async () => {
    await writeModelFile(path, full);
    const whole = readFileSync(path);
    const stream = new RandomStream(7, 0);
    const random = () => stream.nextUint32();
    let read = 0;
    for (let i = 0; i < 400; i++) {
      const bytes = Buffer.from(whole);
      for (let changes = 1 + (random() % 3); changes > 0; changes--) {
        const at = random() % bytes.length;
        const kind = random() % 3;
        if (kind === 0) bytes[at] = random() % 256;
        else if (kind === 1) bytes.copyWithin(at, random() % bytes.length);
        else bytes.write(['[', '{', '"', ',', '}', '\\', '9', 'null'][random() % 8]!, at);
      }
      writeFileSync(path, bytes);
      const result = await readModelFile(path).catch((error: unknown) => error);
      if (result instanceof Error) {
        expect(result, `mutation ${i}`).toMatchObject({ name: 'SoftshardError', code: 'ERR_FORMAT' });
        expect(result.message.length).toBeLessThan(700);
        continue;
      }
      read++;
      const { weights, bias } = result as Model;
      expect(weights.every(Number.isFinite) && !bias.some(Number.isNaN), `mutation ${i}`).toBe(true);
    }
    expect(read).toBeGreaterThan(20);
  });

  it('reports a missing file with the cause', async () => {
    const error = await failure(readModelFile(path), 'ERR_FILE', path);
    expect(error.cause).toMatchObject({ code: 'ENOENT' });
  });
});
