// How many times as fast operations are with pages of 2 MiB, in turns of engines with and without: node .bench/huge-pages.js
// Pages are given where memory is first touched, so each turn takes new engines.

import { Engine, hugePages, type Matrix } from '#softshard/main/index.js';
import { fillRandom, fillTargets } from './cases/values.js';
import { median } from './statistics.js';

const TURNS = 4;
const CALLS = 7;
const SHAPES = [
  [65_536, 10],
  [65_536, 1000],
  [4096, 32_768],
] as const;
const THREADS = [1, 2] as const;

type Operation = (engine: Engine, logits: Matrix, targets: Int32Array) => Promise<unknown>;

const OPERATIONS: Readonly<Record<string, Operation>> = {
  softmax: (engine, logits) => engine.softmax(logits, { into: logits }),
  'cross-entropy': (engine, logits, targets) => engine.crossEntropy(logits, targets),
  'cross-entropy + gradient, in place': (engine, logits, targets) =>
    engine.crossEntropyGradient(logits, targets, { into: logits }),
};

/** The median of each operation's times in a new engine, in ms. */
async function timesOf(asked: boolean, rows: number, columns: number, threads: number): Promise<number[]> {
  process.env.SOFTSHARD_HUGE_PAGES = asked ? '1' : '0';
  await using engine = await Engine.create({ threads });
  const logits = engine.matrix(rows, columns);
  const targets = engine.vector('int32', rows).data;
  fillTargets(targets, columns);
  const medians: number[] = [];
  for (const operation of Object.values(OPERATIONS)) {
    const times: number[] = [];
    fillRandom(logits.data);
    for (let call = 0; call <= CALLS; call++) {
      const begin = performance.now();
      await operation(engine, logits, targets);
      if (call > 0) times.push(performance.now() - begin);
    }
    medians.push(median(times));
  }
  return medians;
}

const answer = hugePages();
if (!answer.asked) throw new Error(`no huge pages here: ${answer.why}`);
for (const [rows, columns] of SHAPES) {
  for (const threads of THREADS) {
    const ratios = Object.keys(OPERATIONS).map((): number[] => []);
    let large: number[] = [];
    for (let turn = 0; turn < TURNS; turn++) {
      const small = await timesOf(false, rows, columns, threads);
      large = await timesOf(true, rows, columns, threads);
      for (const [index, ms] of small.entries()) ratios[index]!.push(ms / large[index]!);
    }
    for (const [index, name] of Object.keys(OPERATIONS).entries()) {
      const of = ratios[index]!.sort((a, b) => a - b);
      console.log(
        `${rows} × ${columns}, ${threads} threads, ${name}: ${median(of).toFixed(2)} times as fast ` +
          `(${of[0]!.toFixed(2)} to ${of.at(-1)!.toFixed(2)}; ${large[index]!.toFixed(2)} ms)`,
      );
    }
  }
}
