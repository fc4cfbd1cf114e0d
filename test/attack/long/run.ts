// `npm run attack`: all attacks at length, in processes of their own, and a table of how their cases went.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Attack, Failure, Range } from '../attack.js';
import { ROOT } from '../project.js';
import type { Counted } from './messages.js';
import { type LongRunOptions, parseOptions, USAGE, UsageError } from './options.js';
import { Tally, tableOf } from './tally.js';
import { WorkerProcess } from './worker-process.js';

const FAILURES = fileURLToPath(new URL('.attack/failures', ROOT));
const PROGRESS_MS = 5000;
/** Cases that a process is given at a time, and that it runs before another takes its place. */
const SHARE = { brief: 1000, long: 40 } as const;
const LIFE = { brief: 50_000, long: 200 } as const;
/** The first failures are told as they come, all are kept. */
const MOST_TOLD = 30;
let told = 0;

try {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) console.log(USAGE);
  else await run(options);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}

async function run(options: LongRunOptions): Promise<void> {
  rmSync(FAILURES, { recursive: true, force: true });
  const tallies: Tally[] = [];
  for (const attack of options.attacks) {
    if (attack.missing !== undefined) {
      console.log(`${attack.name}: left out, for there is no ${attack.missing}`);
      continue;
    }
    const tally = new Tally(attack, options.cases ?? attack.longRun);
    tallies.push(tally);
    const timer = setInterval(() => console.log(tally.progress), PROGRESS_MS);
    const ranges = rangesOf(attack, tally.wanted, options);
    await Promise.all(Array.from({ length: options.processes }, () => runRanges(attack, ranges, tally)));
    clearInterval(timer);
    console.log(tally.progress);
  }
  console.log(`\n${tableOf(tallies)}`);
  const failures = tallies.reduce((sum, tally) => sum + tally.failures, 0);
  if (failures === 0) return;
  console.log(`\n${failures} failures, in ${FAILURES}`);
  process.exitCode = 1;
}

/** Taken by several processes, each the next one. */
function* rangesOf(attack: Attack, cases: number, { seed, minutes }: LongRunOptions): Generator<Range, void> {
  const end = performance.now() + minutes * 60_000;
  const share = attack.brief ? SHARE.brief : SHARE.long;
  for (let done = 0; done < cases && performance.now() < end; done += share) {
    yield { seed: seed + done, cases: Math.min(share, cases - done) };
  }
}

async function runRanges(attack: Attack, ranges: Generator<Range, void>, tally: Tally): Promise<void> {
  let worker = new WorkerProcess();
  const life = attack.brief ? LIFE.brief : LIFE.long;
  for (const range of ranges) {
    if (worker.cases >= life) {
      worker.kill();
      worker = new WorkerProcess();
    }
    worker = await runRange(attack, range, tally, worker);
  }
  worker.kill();
}

/**
 * Where a process is lost, another takes its place and goes case by case, so that the one that it was lost at shows: only
 * then is it told before its end what went well.
 */
async function runRange(
  attack: Attack,
  range: Range,
  tally: Tally,
  first: WorkerProcess,
): Promise<WorkerProcess> {
  const end = range.seed + range.cases;
  let worker = first;
  let careful = !attack.brief;
  const take = (counted: Counted) => {
    tally.add(counted);
    for (const failure of counted.failures) keep(attack, failure, range);
  };
  for (let seed = range.seed; seed < end; ) {
    const lost = await worker.run(attack, { seed, cases: end - seed }, careful, take);
    if (lost === undefined) break;
    worker.kill();
    worker = new WorkerProcess();
    if (careful) take({ counts: {}, failures: [{ seed: lost.seed, message: `the process ${lost.how}` }] });
    if (careful) seed = lost.seed + 1;
    careful = true;
  }
  return worker;
}

function keep({ name, inputOf }: Attack, { seed, message }: Failure, range: Range): void {
  const folder = join(FAILURES, `${name}-${seed}`);
  mkdirSync(folder, { recursive: true });
  const command = (begin: number) =>
    `npm run attack -- --only ${name} --seed ${begin} --cases ${seed - begin + 1} --processes 1`;
  const before =
    seed === range.seed ? '' : `or with those before it in the same process:\n${command(range.seed)}\n`;
  writeFileSync(join(folder, 'failure.txt'), `${message}\n\n${command(seed)}\n${before}`);
  for (const [file, content] of Object.entries(inputOf(seed))) writeFileSync(join(folder, file), content);
  if (++told <= MOST_TOLD) console.log(`${name} ${seed}: ${message.split('\n')[0]!.slice(0, 200)}`);
}
