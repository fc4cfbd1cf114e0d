// How long an engine of two threads takes from its creation to the end of its first call, and how much processor time, here and with
// another build: node .bench/engine-start.js [folder of the other dist]. A process each in turns.
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { median } from './statistics.js';

const ROUNDS = 7;
const ENGINES = 10;

const PROCESS = `
const before = performance.now();
const { Engine } = await import(process.argv[1]);
const importMs = performance.now() - before;
const starts = [];
for (let i = 0; i < ${ENGINES}; i++) {
  const cpu = process.cpuUsage();
  const begin = performance.now();
  const engine = await Engine.create({ threads: 2 });
  const logits = engine.matrix(20_000, 100);
  const probabilities = await engine.softmax(logits);
  if (Math.abs(probabilities.data[0] - 0.01) > 1e-6) throw new Error('wrong probabilities');
  const ms = performance.now() - begin;
  const { user, system } = process.cpuUsage(cpu);
  starts.push({ ms, cpuMs: (user + system) / 1000 });
  await engine.close();
}
console.log(JSON.stringify({ importMs, starts }));
`;

interface Measured {
  readonly importMs: number;
  readonly starts: readonly { readonly ms: number; readonly cpuMs: number }[];
}

function run(dist: string): Measured {
  const module = pathToFileURL(resolve(dist, 'main/index.js')).href;
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', PROCESS, module],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Measured;
}

const builds = ['dist', ...process.argv.slice(2)];
const results = builds.map((): Measured[] => []);
for (let round = 0; round < ROUNDS; round++) {
  for (const [i, build] of builds.entries()) results[i]!.push(run(build));
}
for (const [i, build] of builds.entries()) {
  const all = results[i]!;
  const starts = all.flatMap((one) => one.starts);
  const of = (values: readonly number[]) => `${median(values).toFixed(0)} ms`;
  console.log(
    `${build}: import ${of(all.map((one) => one.importMs))}; an engine and its first call ` +
      `${of(starts.map(({ ms }) => ms))}, processor time ${of(starts.map(({ cpuMs }) => cpuMs))}`,
  );
}
