// What comes before full speed, each time in a new process: starting, the first call, and the tenth, by when V8's optimizing
// compiler has replaced the code that it started with.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Engine } from '#softshard/main/index.js';
import type { FreshProcessTimes } from '../fresh-process.js';
import type { BenchCase } from './case.js';
import { fillRandom, fillTargets } from './values.js';

const SCRIPT = fileURLToPath(new URL('../fresh-process.js', import.meta.url));

/** A job for the calling thread, and one for the workers, which it has to wait for. */
const SHAPES = [
  { rows: 64, columns: 1024 },
  { rows: 4096, columns: 1000 },
];

const MEASURED: readonly (readonly [name: string, duration: (times: FreshProcessTimes) => number])[] = [
  ['new process to first result', ({ processMs }) => processMs],
  ['new engine to first result', ({ engineMs }) => engineMs],
  ['tenth call of a new engine', ({ tenthCallMs }) => tenthCallMs],
];

export const coldStartCases: readonly BenchCase[] = SHAPES.flatMap(({ rows, columns }) =>
  MEASURED.map(([name, duration]) => ({
    name,
    shape: `${rows} × ${columns}`,
    quick: rows === 64,
    bytes: 2 * rows * columns * 4,
    work: (rows * columns) / 1e9,
    rateUnit: 'Ge/s',
    prepare: (engine: Engine) => ({
      check: () => checkLoss(engine, rows, columns),
      async run() {
        const begin = performance.now();
        const times = await inNewProcess(engine, rows, columns);
        return { overriddenDuration: duration(times), overriddenIterationCost: performance.now() - begin };
      },
      free() {},
    }),
  })),
);

async function inNewProcess(
  { numerics, threads }: Engine,
  rows: number,
  columns: number,
): Promise<FreshProcessTimes> {
  const args = [SCRIPT, numerics, threads, rows, columns].map(String);
  return JSON.parse((await promisify(execFile)(process.execPath, args)).stdout);
}

/** The loss of a warm engine, whose values the other cases check. */
async function checkLoss(engine: Engine, rows: number, columns: number): Promise<void> {
  const logits = new Float32Array(rows * columns);
  const targets = new Int32Array(rows);
  fillRandom(logits);
  fillTargets(targets, columns);
  const { loss: expected } = await engine.crossEntropy(logits, targets, { columns });
  const { loss } = await inNewProcess(engine, rows, columns);
  if (loss !== expected) throw new Error(`loss: expected ${expected}, a new process gave ${loss}`);
}
