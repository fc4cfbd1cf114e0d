// How much longer calls and training runs take when all are begun at once than one after the other: node .bench/waiting.js
import { Engine, SoftmaxClassifier } from '#softshard/main/index.js';
import { fillRandom } from './cases/values.js';
import { median } from './statistics.js';

const ROUNDS = 5;
const MIB = 1024 * 1024;

/** Begins one of many alike. */
type Work = (engine: Engine) => Promise<unknown>;

interface Case {
  readonly name: string;
  readonly arenaBytes: number;
  readonly count: number;
  readonly work: Work;
}

function randomRows(rows: number, columns: number) {
  const data = new Float32Array(rows * columns);
  fillRandom(data);
  const targets = Int32Array.from({ length: rows }, (_, row) => (row * 7) % 10);
  return { rows: { type: 'float32', dims: [rows, columns], data } as const, targets };
}

const passing = randomRows(20_000, 10);
const into = { ...passing.rows, data: new Float32Array(passing.rows.data.length) };

function fitting(rows: number, features: number, epochs: number): Work {
  const data = randomRows(rows, features);
  return (engine) =>
    new SoftmaxClassifier(engine, { features, classes: 10 }).fit(data.rows, data.targets, {
      epochs,
      batchSize: 64,
      learningRate: 0.01,
    });
}

const validating: Work = (() => {
  const { rows, targets } = randomRows(2000, 50);
  const options = { epochs: 5, batchSize: 64, learningRate: 0.01, validationSplit: 0.2 };
  return (engine) => new SoftmaxClassifier(engine, { features: 50, classes: 10 }).fit(rows, targets, options);
})();

const CASES: readonly Case[] = [
  ...[300, 1000, 3000].map((count) => ({
    name: `${count} softmax of 20,000 × 10, arena of 4 MiB`,
    arenaBytes: 4 * MIB,
    count,
    work: (engine: Engine) => engine.softmax(passing.rows, { into }),
  })),
  {
    name: '1000 cross-entropies with gradient of 20,000 × 10, arena of 4 MiB',
    arenaBytes: 4 * MIB,
    count: 1000,
    work: (engine) => engine.crossEntropyGradient(passing.rows, passing.targets, { into }),
  },
  { name: '100 fits of 500 × 20', arenaBytes: 4096 * MIB, count: 100, work: fitting(500, 20, 20) },
  { name: '100 fits of 2000 × 100', arenaBytes: 4096 * MIB, count: 100, work: fitting(2000, 100, 10) },
  { name: '100 fits of 2000 × 50, validated', arenaBytes: 4096 * MIB, count: 100, work: validating },
  {
    name: '200 fits of 2000 × 100, arena of 64 MiB',
    arenaBytes: 64 * MIB,
    count: 200,
    work: fitting(2000, 100, 10),
  },
  {
    name: '200 fits of 2000 × 50, validated, arena of 8 MiB',
    arenaBytes: 8 * MIB,
    count: 200,
    work: validating,
  },
];

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

for (const { name, arenaBytes, count, work } of CASES) {
  await using engine = await Engine.create({ threads: 2, arenaBytes });
  await work(engine);
  const ratios: number[] = [];
  let inTurnMs = 0;
  for (let round = 0; round < ROUNDS; round++) {
    inTurnMs = await timeOf(async () => {
      for (let i = 0; i < count; i++) await work(engine);
    });
    const atOnceMs = await timeOf(() => Promise.all(Array.from({ length: count }, () => work(engine))));
    ratios.push(atOnceMs / inTurnMs);
  }
  const all = ratios.map((ratio) => ratio.toFixed(2)).join(' ');
  console.log(
    `${name}: ${median(ratios).toFixed(2)} times as long (${all}; in turn ${inTurnMs.toFixed(0)} ms)`,
  );
}
