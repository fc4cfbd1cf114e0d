// How long calls on few rows take, one right after the other, on one thread and on two, in turns: node .bench/small-calls.js
import { Engine } from '#softshard/main/index.js';
import { fillRandom } from './cases/values.js';
import { median } from './statistics.js';

const ROUNDS = 60;
const CALLS = 50;
const SHAPES = [
  [1, 16],
  [64, 1024],
  [128, 1024],
  [256, 1024],
  [16_384, 10],
] as const;

/** Computes once. */
type Call = () => Promise<unknown>;

interface Side {
  readonly calls: Readonly<Record<string, Call>>;
  readonly results: () => Uint8Array;
}

function place(engine: Engine, rows: number, columns: number): Side {
  const logits = engine.matrix(rows, columns);
  const into = engine.matrix(rows, columns);
  fillRandom(logits.data);
  const targets = engine.vector('int32', rows);
  targets.data.forEach((_, row) => {
    targets.data[row] = (row * 7) % columns;
  });
  const calls = {
    softmax: () => engine.softmax(logits, { into }),
    'log-softmax': () => engine.logSoftmax(logits, { into }),
    'cross-entropy + gradient': () => engine.crossEntropyGradient(logits, targets, { into }),
  };
  return {
    calls,
    results: () =>
      Uint8Array.from(new Uint8Array(into.data.buffer, into.data.byteOffset, into.data.byteLength)),
  };
}

async function timeOf(call: Call): Promise<number> {
  const begin = performance.now();
  for (let i = 0; i < CALLS; i++) await call();
  return ((performance.now() - begin) / CALLS) * 1000;
}

async function compare(rows: number, columns: number): Promise<void> {
  await using one = await Engine.create({ threads: 1 });
  await using two = await Engine.create({ threads: 2 });
  const sides = [place(one, rows, columns), place(two, rows, columns)];
  for (const name of Object.keys(sides[0]!.calls)) {
    const times: number[][] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      for (const [index, { calls }] of sides.entries()) {
        const call = calls[name]!;
        await timeOf(call);
        times[index]!.push(await timeOf(call));
      }
      if (Buffer.compare(sides[0]!.results(), sides[1]!.results()) !== 0)
        throw new Error(`other results of ${name}`);
    }
    const [alone, both] = times.map(median);
    console.log(
      `${name}, ${rows} × ${columns}: ${alone!.toFixed(1)} µs on one thread, ${both!.toFixed(1)} µs on two, ${(alone! / both!).toFixed(2)} times as fast`,
    );
  }
}

for (const [rows, columns] of SHAPES) await compare(rows, columns);
