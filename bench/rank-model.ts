// The cost model of ranks (main/scaling/ranks/cost-model.ts) beside measurements: sums and passes on ranks over TCP on one machine, and
// over links that tc makes slow, between network namespaces (examples/machines/hosts.sh). Constants are of two ranks over the
// loopback interface; all other times are predicted from them, and from how slow a link is. As root on Linux, with Open MPI:
// node .bench/rank-model.js [rows] [features] [classes]

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Scaling } from '#softshard/main/index.js';
import { planFullBatch } from '#softshard/main/plans/training.js';
import { predictPass, sumMs, type TransportConstants } from '#softshard/main/scaling/ranks/cost-model.js';
import { overLink } from '#softshard/main/scaling/ranks/predict.js';
import { type Column, markdownTable } from './markdown-table.js';

const [rows = 24_000, features = 784, classes = 20] = process.argv.slice(2).map(Number);
const SECONDS = 4;
const LINKS_MBIT = [1000, 200];

const root = fileURLToPath(new URL('..', import.meta.url));
const machines = join(root, 'examples/machines');
const folder = mkdtempSync(join(tmpdir(), 'softshard-rank-model-'));

const OPEN_MPI = ['--oversubscribe', '--bind-to', 'none', '--mca', 'pml', 'ob1', '--mca', 'btl', 'tcp,self'];
const NETWORK = ['btl_tcp_if_include', 'oob_tcp_if_include'].flatMap((name) => [
  '--mca',
  name,
  '10.77.0.0/24',
]);
const REMOTE = ['--mca', 'plm_rsh_agent', join(machines, 'rsh.sh'), ...NETWORK];
const hosts = (...args: string[]) =>
  execFileSync(join(machines, 'hosts.sh'), args, { stdio: ['ignore', 'ignore', 'inherit'] });

function measure(
  ranks: number,
  before: readonly string[],
  options: readonly string[],
): Scaling.ScalingResult {
  const json = join(folder, 'result.json');
  const shape = ['--rows', rows, '--features', features, '--classes', classes].map(String);
  const [command, ...args] = [
    ...before,
    'mpirun.openmpi',
    ...OPEN_MPI,
    ...options,
    ...['-np', String(ranks), process.execPath, join(root, 'dist/main/cli/softshard.js'), 'bench'],
    ...[...shape, '--threads', '1', '--seconds', String(SECONDS), '--quiet', '--json', json],
  ];
  const env = { ...process.env, OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' };
  execFileSync(command!, args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
  return JSON.parse(readFileSync(json, 'utf8')) as Scaling.ScalingResult;
}

function overSlowLink(mbit: number): Scaling.ScalingResult {
  // A queue of 10 ms: with one of 3 ms the kernel drops parts of long segments.
  hosts('up', '2', ...`tbf rate ${mbit}mbit burst 256kb latency 10ms`.split(' '));
  try {
    return measure(
      2,
      [join(machines, 'hosts.sh'), 'run', '1'],
      [...REMOTE, '--host', '10.77.0.1:1,10.77.0.2:1'],
    );
  } finally {
    hosts('down');
  }
}

const { branches } = planFullBatch({ rows, features, classes });
const lines: string[][] = [];
const COLUMNS = ['link', 'what', 'measured ms', 'model ms', 'model / measured'].map(
  (heading, index): Column<string[]> => ({
    heading,
    align: index < 2 ? 'left' : 'right',
    cell: (line) => line[index]!,
  }),
);

/** What the model says of a measurement, with constants of another. */
function compare(
  name: string,
  measured: Scaling.ScalingResult,
  transport: TransportConstants,
  pass: Scaling.PassConstants,
): void {
  const { ranks, sums } = measured.ranks!;
  const add = (what: string, ms: number, predicted: number) =>
    lines.push([name, what, ms.toFixed(2), predicted.toFixed(2), (predicted / ms).toFixed(2)]);
  const { otherCores } = measured.workloads[0]!.strong[0]!;
  console.error(
    `${name}: others kept ${otherCores.toFixed(1)} cores busy; load ${measured.ranks!.load.toFixed(2)}`,
  );
  for (const { bytes, medianMs } of sums.filter((sum) => sum.bytes >= 1e6)) {
    add(`sum of ${(bytes / 2 ** 20).toFixed(0)} MiB`, medianMs, sumMs(transport, bytes, ranks));
  }
  for (const point of measured.workloads[0]!.strong) {
    const busy = Math.min(point.ranks, branches);
    const load = 1 + ((measured.ranks!.load - 1) * (busy - 1)) / (ranks - 1);
    const { ms } = predictPass(transport, pass, { rows, branches, load }, point.ranks);
    add(`pass on ${point.ranks} ${point.ranks === 1 ? 'rank' : 'ranks'}`, point.medianMs, ms);
  }
}

/** Over the loopback interface messages, bytes and sums are the processors' work: with twice as many ranks to a core, twice as long. */
const onHalfTheCores = ({
  callMs,
  latencyMs,
  bytesPerMs,
  addBytesPerMs,
}: TransportConstants): TransportConstants => ({
  callMs: 2 * callMs,
  latencyMs: 2 * latencyMs,
  bytesPerMs: bytesPerMs / 2,
  addBytesPerMs: addBytesPerMs / 2,
});

try {
  const two = measure(2, [], []);
  const { transport, pass } = two.ranks!;
  compare('loopback, 2 ranks (constants)', two, transport, pass);
  for (const mbit of LINKS_MBIT) {
    compare(`${mbit} Mbit/s, 2 ranks`, overSlowLink(mbit), overLink(transport, mbit / 1000, 0), pass);
  }
  const four = measure(4, [], []);
  compare('loopback, 4 ranks on 2 cores', four, onHalfTheCores(transport), {
    ...pass,
    calls: four.ranks!.pass.calls,
  });
  console.log(`${rows} rows × ${features} features × ${classes} classes, ${branches} branches`);
  console.log(`transport ${JSON.stringify(transport)}, pass ${JSON.stringify(pass)}\n`);
  console.log(markdownTable(COLUMNS, lines));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
