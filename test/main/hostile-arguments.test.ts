// Every public function with arguments that nobody should pass: each call is refused with a SoftshardError, or does what it
// says; none hangs, and the engine works afterwards.
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import * as softshard from '#softshard/main/index.js';
import {
  detectFormat,
  Engine,
  hostMemory,
  partSize,
  readCsv,
  SoftmaxClassifier,
  SoftshardError,
  writeNpy,
} from '#softshard/main/index.js';
import { failure } from '../failure.js';
import { type Arguments, bench, CALLS, type Call } from './hostile/calls.js';
import { callersError, HOSTILE } from './hostile/values.js';

beforeAll(async () => {
  // Of a BLAS that there is not, many times.
  vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const engine = await Engine.create({ threads: 2, arenaBytes: 4 * 1024 * 1024 });
  const folder = mkdtempSync(join(tmpdir(), 'softshard-hostile-'));
  // Some of the texts are names of files, which writers make.
  process.chdir(folder);
  const classifier = new SoftmaxClassifier(engine, { features: 2, classes: 2 });
  const evaluation = await classifier.evaluate(Float32Array.of(1, 2, 3, 4), [0, 1]);
  Object.assign(bench, { engine, folder, evaluation });
  mkdirSync(join(folder, 'facts'));
  writeFileSync(join(folder, 'facts', 'result.json'), '{"loss":1}');
  writeFileSync(join(folder, 'a.csv'), 'a,b\n1,2\n3,4\n');
  writeFileSync(join(folder, 'a.idx'), Buffer.from([0, 0, 8, 1, 0, 0, 0, 2, 1, 0]));
  await writeNpy(join(folder, 'a.npy'), { dims: [2, 1], data: Int32Array.of(0, 1) });
  await writeNpy(join(folder, 'x.npy'), { dims: [2, 2], data: Float32Array.of(0, 1, 1, 0) });
  await writeNpy(join(folder, 'l.npy'), { dims: [2], data: Int32Array.of(0, 1) });
  await classifier.save(join(folder, 'a.safetensors'));
  cpSync(join(folder, 'a.safetensors'), join(folder, 'model.safetensors'));
});
const cwd = process.cwd();
afterAll(async () => {
  vi.restoreAllMocks();
  process.chdir(cwd);
  await bench.engine.close();
  rmSync(bench.folder, { recursive: true, force: true });
});

/** The arguments with one of them, or one property of one, replaced. */
function* variants(call: Call): Generator<{ readonly where: string; replace(value: unknown): Arguments }> {
  for (const [at, argument] of call.args().entries()) {
    yield { where: `argument ${at}`, replace: (value) => call.args().with(at, value) };
    const isPlain =
      Object.prototype.toString.call(argument) === '[object Object]' && !(argument instanceof Engine);
    for (const name of isPlain ? Object.keys(argument as object) : []) {
      yield {
        where: `argument ${at}.${name}`,
        replace: (value) => {
          const args = call.args();
          return args.with(at, { ...(args[at] as object), [name]: value });
        },
      };
    }
  }
}

/** A proxy that is revoked, or memory that is detached, throws when it is touched: as callers' own objects may. */
const isRight = (error: unknown): boolean =>
  error instanceof SoftshardError ||
  error === callersError ||
  (error instanceof TypeError &&
    /proxy that has been revoked|detached (or out-of-bounds )?ArrayBuffer/.test(error.message));

/** Undefined where all is well. */
async function faultOf(call: Call, args: Arguments): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, 10_000, 'hangs');
  });
  const run = async () => {
    try {
      await call.call(args as never);
    } catch (error) {
      return isRight(error) ? undefined : String((error as Error)?.stack ?? error).slice(0, 300);
    }
    return undefined;
  };
  try {
    return await Promise.race([run(), late]);
  } finally {
    clearTimeout(timer);
  }
}

describe('hostile arguments', () => {
  test('are tried on everything that is exported (R5)', () => {
    // Nobody but softshard makes its errors.
    // openMpi would start MPI; what it refuses is in main/distributed.
    const tried = new Set(['SoftshardError', 'openMpi', ...CALLS.map(([name]) => name.split('.')[0])]);
    const functions = Object.entries(softshard).filter(([, value]) => typeof value === 'function');
    expect(functions.map(([name]) => name).filter((name) => !tried.has(name))).toEqual([]);
    const methods = Object.getOwnPropertyNames(Engine.prototype).filter(
      (name) => !['constructor', 'close', 'memoryUsage', 'trace'].includes(name),
    );
    expect(methods.filter((name) => !CALLS.some(([tried]) => tried === `engine.${name}`))).toEqual([]);
  });

  test.each(CALLS)('are refused with a SoftshardError: %s (R5)', async (_, call) => {
    await call.call(call.args() as never);
    const faults: string[] = [];
    for (const { where, replace } of variants(call)) {
      for (const [name, make] of Object.entries(HOSTILE)) {
        const fault = await faultOf(call, replace(make()));
        if (fault !== undefined) faults.push(`${where} is ${name}: ${fault}`);
      }
    }
    expect(faults).toEqual([]);
    const { data } = await bench.engine.softmax(Float32Array.of(0, 0), { columns: 2 });
    expect([...data]).toEqual([0.5, 0.5]);
  });
});

describe('what is refused says what it is', () => {
  const data = Float32Array.of(1, 2);
  test.each<[string, string, RegExp, () => unknown]>([
    ...['toString', 'constructor', '__proto__', 'hasOwnProperty'].map(
      (type): [string, string, RegExp, () => unknown] => [
        `a tensor of type ${type}`,
        'ERR_TYPE',
        new RegExp(`logits\\.type is '${type}': it must be one of 'float32'`),
        () => bench.engine.softmax({ type, dims: [1, 2], data } as never),
      ],
    ),
    [
      'dims with a hole',
      'ERR_SHAPE',
      /logits\.dims is \[.*empty item/,
      () => bench.engine.softmax({ type: 'float32', dims: Object.assign(new Array(2), { 1: 2 }), data }),
    ],
    [
      'a type of host memory that there is not',
      'ERR_TYPE',
      /type is 'nope': it must be one of 'float32', .*'uint8'/,
      () => hostMemory.vector('nope' as never, 3),
    ],
    ['host memory of toString', 'ERR_TYPE', /'toString'/, () => hostMemory.tensor('toString' as never, [1])],
    ['dims of a part that are text', 'ERR_SHAPE', /dims is 'abc'/, () => partSize('abc' as never, 5)],
    ['a part of nothing', 'ERR_SHAPE', /dims is \[\]/, () => partSize([], 5)],
    [
      'metrics that are none',
      'ERR_TYPE',
      /other is \{\}: pass ClassificationMetrics/,
      () => bench.engine.metrics({ classes: 2 }).merge({} as never),
    ],
    [
      'a URL for a path',
      'ERR_TYPE',
      /path is .*fileURLToPath/,
      () => detectFormat(new URL('file:///a') as never),
    ],
    [
      'a label column that is an object',
      'ERR_OPTION',
      /options\.labelColumn is \{\}/,
      () => readCsv(hostMemory, join(bench.folder, 'a.csv'), { labelColumn: {} as never }),
    ],
  ])('%s: %s (R5)', async (_, code, message, call) => {
    const error = await failure(async () => call());
    expect(error).toBeInstanceOf(SoftshardError);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });
});
