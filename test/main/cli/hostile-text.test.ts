// Text of files, names and arguments that would act on a terminal: whatever the command prints shows it escaped.
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { runCommandLine } from '#softshard/main/cli/program.js';
import { encodeNpyHeader } from '#softshard/main/data/npy/npy-header.js';
import { writeNpy } from '#softshard/main/index.js';
import { runNode, SOFTSHARD, softshard, softshardProcess, temporaryFolder } from './workbench.js';

/** What a terminal would act on, or hide; the command's own lines end with line feeds. */
const UNSAFE = /(?!\n)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

const TITLE = '\x1b]0;pwned\x07\x1b[31mevil';
/** Of all kinds; without what CSV cells and file names cannot hold. */
const HOSTILE = [
  TITLE,
  '\u009b31mC1\u0090',
  'gnp\u202eexe.\u2066',
  'a\u200bb\u2060\ufeffc\u00ad\u061c',
  'del\x7fback\b\b\bspace',
  '\u2028line\u2029\u0085',
  '\u{e0041}\u{e007f}tag',
];
const hostile = fc.oneof(
  fc.constantFrom(...HOSTILE),
  fc.string({
    unit: fc.constantFrom('\x1b', '[', '\u009b', '\u202e', '\u200d', '\x7f', 'x', '0', 'm'),
    minLength: 1,
  }),
);

const folder = temporaryFolder();

/** Runs the command in this process: hundreds of runs take seconds so. */
async function run(args: readonly string[]): Promise<{ code: number; text: string }> {
  let text = '';
  const write = (chunk: unknown, ...rest: readonly unknown[]) => {
    text += String(chunk);
    const callback = rest.at(-1);
    if (typeof callback === 'function') callback();
    return true;
  };
  const streams = [process.stdout, process.stderr].map((stream) => {
    stream.setMaxListeners(0);
    return vi.spyOn(stream, 'write').mockImplementation(write as never);
  });
  process.setMaxListeners(0);
  try {
    return { code: await runCommandLine(args), text };
  } finally {
    for (const stream of streams) stream.mockRestore();
  }
}

const file = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

/** A .npy file whose header says so. */
function npyFile(name: string, dict: string): string {
  const header = Buffer.from(`${dict}\n`);
  const begin = Buffer.from(encodeNpyHeader('<f4', [1]).subarray(0, 12));
  begin[6] = 3;
  begin.writeUInt32LE(header.length, 8);
  return file(name, Buffer.concat([begin, header, Buffer.alloc(8)]));
}

/** A model of one feature and two classes, with metadata and tensors as given. */
function modelFile(name: string, metadata: Record<string, unknown>, extra: object = {}): string {
  const header = Buffer.from(
    JSON.stringify({
      __metadata__: { format: 'softshard', formatVersion: '1', softshardVersion: '0.1.0', ...metadata },
      weights: { dtype: 'F32', shape: [1, 2], data_offsets: [0, 8] },
      bias: { dtype: 'F32', shape: [2], data_offsets: [8, 16] },
      ...extra,
    }),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return file(name, Buffer.concat([length, header, Buffer.alloc(16)]));
}

const cell = (text: string) => `"${text.replaceAll('"', '""')}"`;
const good = () => file('good.csv', 'a,k\n1,x\n2,y\n');
const labels = () => file('labels.txt', 'x\ny\n');
const train = (data: string, ...args: string[]) => [
  ...['train', '--data', data, '--epochs', '1', '--threads', '1', '--output', join(folder, 'm.safetensors')],
  ...args,
];

/** Command lines that show the text, each with the files it needs. */
const CASES: Readonly<Record<string, (text: string) => readonly string[]>> = {
  'a column of features': (text) =>
    train(file('a.csv', `${cell(text)},k\nz,x\n2,y\n`), '--label-column', 'k'),
  'two columns of the same name': (text) =>
    train(file('b.csv', `${cell(text)},${cell(text)}\n1,2\n`), '--label-column', text),
  'a column that is not there': (text) => train(good(), '--label-column', `${text}!`),
  'columns among which there is none': (text) =>
    train(file('c.csv', `${cell(text)},b\n1,2\n`), '--label-column', 'k'),
  'a cell': (text) => train(file('d.csv', `a,k\n1,x\n${cell(`${text}!`)},y\n`), '--label-column', 'k'),
  'a delimiter': (text) => train(file('e.csv', 'a"b\n'), '--label-column', 'k', '--delimiter', text),
  'a class among others': (text) => [
    ...['train', '--data', file('l.csv', '1\n2\n'), '--labels', file('l.txt', 'x\nz\n'), '--class-names'],
    file('n.txt', `${text}!\nx\n`),
    ...['--output', join(folder, 'o')],
  ],
  'a name given twice': (text) =>
    train(good(), '--label-column', 'k', '--class-names', file('n2.txt', `${text}!\n${text}!\n`)),
  'a dtype': (text) =>
    train(
      npyFile('e.npy', `{'descr': '${text}', 'fortran_order': False, 'shape': (2,)}`),
      '--labels',
      labels(),
    ),
  'a shape': (text) =>
    train(
      npyFile('f.npy', `{'descr': '<f4', 'fortran_order': False, 'shape': (${text},)}`),
      '--labels',
      labels(),
    ),
  'a header': (text) => train(npyFile('g.npy', `{${text}}`), '--labels', labels()),
  'names of classes in a model': (text) => [
    ...['info', '--model'],
    modelFile('a.st', { classNames: JSON.stringify([text, `${text}2`]) }),
  ],
  'names of classes as JSON': (text) => [
    ...['info', '--json', '--model'],
    modelFile('b.st', { classNames: JSON.stringify([text, `${text}2`]) }),
  ],
  'names of classes in a table': (text) => [
    ...['evaluate', '--threads', '1', '--labels', file('i.txt', '0\n1\n'), '--data', file('i.csv', '1\n2\n')],
    ...['--model', modelFile('c.st', { classNames: JSON.stringify([text, `${text}2`]) })],
  ],
  'classes among which a label is none': (text) => [
    ...['evaluate', '--threads', '1', '--labels', file('j.txt', 'p\nq\n'), '--data', file('j.csv', '1\n2\n')],
    ...['--model', modelFile('d.st', { classNames: JSON.stringify([text, `${text}2`]) })],
  ],
  'a label': (text) => [
    ...['evaluate', '--threads', '1', '--labels', file('k.txt', `${text}!\nq\n`)],
    ...['--data', file('k.csv', '1\n2\n'), '--model', modelFile('e.st', {})],
  ],
  'options of training': (text) => [
    ...['info', '--model'],
    modelFile('f.st', { trainingOptions: JSON.stringify({ [text]: text, other: [text] }) }),
  ],
  'the version of a model': (text) => ['info', '--model', modelFile('g.st', { softshardVersion: text })],
  'the format of a model': (text) => ['info', '--model', modelFile('h.st', { format: text })],
  'the version of the format': (text) => ['info', '--model', modelFile('i.st', { formatVersion: text })],
  'what is no JSON': (text) => ['info', '--model', modelFile('j.st', { classNames: text })],
  'a tensor': (text) => ['info', '--model', modelFile('k.st', {}, { [text]: { shape: [1] } })],
  'a tensor of a wrong type': (text) => [
    'info',
    '--model',
    modelFile('l.st', {}, { bias: { dtype: text, shape: [2] } }),
  ],
  'a file that is not there': (text) => ['info', '--model', text],
  'a file that is not there, with all that is known': (text) => ['info', '--verbose', '--model', text],
  'an output': (text) => train(good(), '--label-column', 'k', '--json', '--output', join(folder, text, text)),
  'a command': (text) => [text],
  'an option': (text) => ['info', `--${text}`],
  'the value of an option': (text) => train(good(), '--epochs', text),
  'a choice': (text) => train(good(), '--schedule', text),
  'an ending': (text) => [
    ...['predict', '--model', modelFile('m.st', {}), '--data', file('m.csv', '1\n')],
    ...['--output', text],
  ],
  'a BLAS': (text) => ['info', '--blas', text],
};

describe('hostile text is shown escaped', () => {
  beforeAll(() => writeNpy(join(folder, 'x.npy'), { dims: [2, 1], data: Float32Array.of(1, 2) }));

  test.each(Object.keys(CASES))('as %s (R2)', async (name) => {
    let shown = 0;
    const property = async (text: string) => {
      const { text: output } = await run(CASES[name]!(text));
      expect(output).not.toMatch(UNSAFE);
      expect(output.length).toBeGreaterThan(0);
      expect(output).not.toContain('unexpected');
      if (/\\x|\\u|\\b/.test(output)) shown++;
    };
    for (const text of HOSTILE) await property(text);
    expect(shown, 'the output shows the text').toBeGreaterThanOrEqual(HOSTILE.length - 2);
    await fc.assert(fc.asyncProperty(hostile, property), { seed: 11, numRuns: 3 });
  });
});

describe('the command itself', () => {
  const named = join(folder, 'named');
  beforeAll(() => void mkdirSync(named));

  test('escapes names on a terminal and in JSON, and leaves CSV for programs as it is (R2)', async () => {
    const names = [TITLE, 'gnp\u202eexe'];
    const model = modelFile('z.st', { classNames: JSON.stringify(names) });
    const args = [SOFTSHARD, 'predict', '--quiet', '--model', model, '--data', file('z.csv', '1\n2\n')];
    const piped = await runNode(args);
    expect(piped.stdout).toContain(TITLE);
    const terminal = 'data:text/javascript,process.stdout.isTTY = true';
    const onTerminal = await runNode(['--import', terminal, ...args]);
    expect(onTerminal.stdout).toContain('0,0,\\x1b]0;pwned\\x07\\x1b[31mevil,0.5\n');
    expect(onTerminal.stdout).not.toMatch(UNSAFE);
    const { stdout } = await softshard(['info', '--json', '--model', model]);
    expect(stdout).not.toMatch(UNSAFE);
    expect(JSON.parse(stdout)).toMatchObject({ classNames: names });
  });

  test('escapes what it is called with, in warnings of Node too (R2)', async () => {
    const { code, stderr } = await softshardProcess(
      ['train', '--data', good(), '--label-column', 'k', '--epochs', '1', '--output', 'out', '--blas', TITLE],
      { cwd: mkdtempSync(join(named, 'n')) },
    );
    expect(code).toBe(0);
    expect(stderr).toMatch(/SoftshardWarning: --blas .*pwned/);
    expect(stderr).not.toMatch(UNSAFE);
  });

  test('writes the bytes of names as they are (R2)', async () => {
    const output = join(folder, 'names.csv');
    const model = modelFile('y.st', { classNames: JSON.stringify([TITLE, 'b']) });
    await softshard(['predict', '--model', model, '--data', file('y.csv', '1\n'), '--output', output]);
    expect(readFileSync(output, 'utf8')).toContain(TITLE);
  });
});

describe('long text is cut', () => {
  const LONG = '1, '.repeat(20_000);
  test.each(
    Object.keys(CASES).filter((name) => !/not there|output|command|option|choice|ending|BLAS/.test(name)),
  )('as %s (R6)', async (name) => {
    const { text } = await run(CASES[name]!(name === 'a delimiter' ? ',' : LONG));
    if (name === 'names of classes as JSON') expect(text).toContain(LONG);
    else expect(text.length).toBeLessThan(3000);
  });
});
