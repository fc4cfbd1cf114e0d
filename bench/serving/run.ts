// Prediction of single rows: how long one takes, and how many requests a second a small HTTP server answers, compared with a
// plain JavaScript loop: node .bench/serving/run.js
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Engine, Predictor, readModelFile, SoftmaxClassifier } from '#softshard/main/index.js';
import { fillRandom } from '../cases/values.js';
import { median } from '../statistics.js';
import { converse } from './connections.js';
import { plainLoop } from './plain-loop.js';

const SHAPES = [
  [384, 15],
  [784, 10],
  [768, 200],
] as const;
const ROWS = 256;
const ROUNDS = 60;
const CONNECTIONS = 64;
const SERVER_ROUND_MS = 300;
const SERVER_ROUNDS = 20;

const folder = mkdtempSync(join(tmpdir(), 'softshard-serving-'));

async function saveModel(
  engine: Engine,
  features: number,
  classes: number,
): Promise<[string, SoftmaxClassifier]> {
  const classifier = new SoftmaxClassifier(engine, { features, classes });
  fillRandom(classifier.weights);
  const path = join(folder, `${features}x${classes}.safetensors`);
  await classifier.save(path);
  return [path, classifier];
}

function rowsOf(features: number): Float32Array[] {
  const all = new Float32Array(ROWS * features);
  fillRandom(all);
  return Array.from({ length: ROWS }, (_, row) => all.slice(row * features, (row + 1) * features));
}

/** µs a call in the best of many short rounds, in which the calls take turns: it holds on a busy machine too. */
async function latencies(
  calls: Readonly<Record<string, (row: number) => unknown>>,
): Promise<Record<string, number>> {
  const times = Object.keys(calls).map((name) => [name, [] as number[]] as const);
  for (let round = -20; round < ROUNDS; round++) {
    for (const [name, samples] of times) {
      const begin = performance.now();
      for (let i = 0; i < ROWS; i++) {
        const result = calls[name]?.(i);
        if (result instanceof Promise) await result;
      }
      if (round >= 0) samples.push(((performance.now() - begin) / ROWS) * 1000);
    }
  }
  return Object.fromEntries(times.map(([name, samples]) => [name, Math.min(...samples)]));
}

async function measureLatency(engine: Engine, features: number, classes: number): Promise<void> {
  const [path, classifier] = await saveModel(engine, features, classes);
  using predictor = await Predictor.load(path, { numerics: engine.numerics });
  const plain = plainLoop(await readModelFile(path));
  const rows = rowsOf(features);
  const doubles = rows.map((row) => Float64Array.from(row));
  const numbers = rows.map((row) => [...row]);
  const into = new Float32Array(classes);
  const expected = await Promise.all(rows.map(async (row) => (await classifier.predict(row))[0]));
  const differing = rows.filter(
    (row, i) => predictor.predict(row) !== expected[i] || plain(row) !== expected[i],
  );
  if (differing.length > 0) throw new Error(`${differing.length} rows have other classes`);
  const times = await latencies({
    predict: (i) => predictor.predict(rows[i]!),
    'predict (Float64Array)': (i) => predictor.predict(doubles[i]!),
    'predict (number[])': (i) => predictor.predict(numbers[i]!),
    predictProbabilities: (i) => predictor.predictProbabilities(rows[i]!, into),
    'plain loop': (i) => plain(rows[i]!),
    'classifier.predict': (i) => classifier.predict(rows[i]!),
  });
  const text = Object.entries(times).map(([name, us]) => `${name} ${us.toFixed(2)}`);
  console.log(`${engine.numerics}, ${features} × ${classes}, µs a row: ${text.join(', ')}`);
}

/** What computes: 'predictor' or 'plain loop'. */
async function startServer(computes: string, form: string, path: string) {
  const script = fileURLToPath(new URL('server-process.js', import.meta.url));
  const server = fork(script, [computes, form, path]);
  const [port] = (await once(server, 'message')) as [number];
  return {
    port,
    /** Processor time so far, in µs. */
    async processorTime(): Promise<number> {
      server.send('processor time');
      const [{ user, system }] = (await once(server, 'message')) as [NodeJS.CpuUsage];
      return user + system;
    },
    async end(): Promise<void> {
      const ended = once(server, 'exit');
      server.disconnect();
      await ended;
    },
    /** Requests a second, and µs of processor time a request. */
    rates: [] as number[],
    times: [] as number[],
  };
}

async function measureServers(
  engine: Engine,
  features: number,
  classes: number,
  form: string,
): Promise<void> {
  const [path] = await saveModel(engine, features, classes);
  const plain = plainLoop(await readModelFile(path));
  const rows = rowsOf(features);
  const exchange = {
    bodies: rows.map((row) =>
      form === 'JSON' ? Buffer.from(JSON.stringify([...row])) : Buffer.from(row.buffer),
    ),
    answers: rows.map((row) => String(plain(row))),
  };
  const ours = await startServer('predictor', form, path);
  const loop = await startServer('plain loop', form, path);
  for (let round = -3; round < SERVER_ROUNDS; round++) {
    for (const server of round % 2 === 0 ? [ours, loop] : [loop, ours]) {
      const before = await server.processorTime();
      const { answered, seconds } = await converse(server.port, CONNECTIONS, exchange, SERVER_ROUND_MS);
      const time = (await server.processorTime()) - before;
      if (round < 0) continue;
      server.rates.push(answered / seconds);
      server.times.push(time / answered);
    }
  }
  for (const server of [ours, loop]) await server.end();
  const text = (
    [
      ['a predictor', ours],
      ['the plain loop', loop],
    ] as const
  ).map(
    ([name, { rates, times }]) =>
      `${median(rates).toFixed(0)} requests a second by ${name} (${median(times).toFixed(1)} µs of processor time each)`,
  );
  const requests = median(ours.rates.map((rate, i) => rate / loop.rates[i]!));
  const time = median(loop.times) / median(ours.times);
  console.log(
    `${CONNECTIONS} connections, rows of ${features} as ${form}, ${classes} classes: ${text.join(', ')}; ` +
      `${requests.toFixed(2)} times as many requests, ${time.toFixed(2)} times as many in the same processor time`,
  );
}

console.log(`Node ${process.versions.node}`);
{
  await using engine = await Engine.create();
  for (const [features, classes] of SHAPES) await measureLatency(engine, features, classes);
  for (const [features, classes] of SHAPES) {
    for (const form of ['float32', 'JSON']) await measureServers(engine, features, classes, form);
  }
}
rmSync(folder, { recursive: true });
