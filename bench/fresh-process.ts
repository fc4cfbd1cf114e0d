// What a short job meets: run in a new process by cases/cold-start.ts, prints its times as JSON.
import { Engine, type Numerics } from '#softshard/main/index.js';

export interface FreshProcessTimes {
  /** Node's own start, loading softshard, and engineMs. */
  readonly processMs: number;
  /** Creating the engine, and its first call. */
  readonly engineMs: number;
  readonly tenthCallMs: number;
  readonly loss: number;
}

const loadedMs = performance.now();
const { fillRandom, fillTargets } = await import('./cases/values.js');
const [numerics, ...counts] = process.argv.slice(2);
const [threads, rows, columns] = counts.map(Number) as [number, number, number];
const values = new Float32Array(rows * columns);
const targets = new Int32Array(rows);
fillRandom(values);
fillTargets(targets, columns);

const begin = performance.now();
const engine = await Engine.create({ numerics: numerics as Numerics, threads });
const logits = engine.matrix(rows, columns);
logits.data.set(values);
const gradient = engine.matrix(rows, columns);
const call = () => engine.crossEntropyGradient(logits, targets, { into: gradient });
await call();
const engineMs = performance.now() - begin;
for (let count = 2; count < 10; count++) await call();
const tenth = performance.now();
const { loss } = await call();
const tenthCallMs = performance.now() - tenth;
const times: FreshProcessTimes = { processMs: loadedMs + engineMs, engineMs, tenthCallMs, loss };
console.log(JSON.stringify(times));
await engine.close();
