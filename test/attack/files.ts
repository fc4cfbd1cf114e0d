// Files of every format after bits were flipped, parts cut out, numbers changed and much more: a reader gives what the
// file holds or a short clean error with a code, at once and in little memory.
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Attack, AttackFailure, expectThat, type Outcome, type Session } from './attack.js';
import { type BaseFile, baseFile, compressed, FORMATS, whole } from './base-files.js';
import { expectCleanError } from './clean-errors.js';
import { mutated } from './mutations.js';
import { Random } from './random.js';
import type { Reading } from './reading.js';
import { readingOf } from './readings.js';

interface Case {
  readonly bytes: Buffer;
  readonly reading: Reading;
  readonly what: string;
}

/** Mutations go for the header alone, so that it is read on with its right length, for the body, or for all. */
function mutatedFile(random: Random, base: BaseFile): Buffer {
  const other = whole(baseFile(random, random.of(FORMATS)));
  let { header, body } = base;
  const place = random.below(3);
  let bytes = whole(base);
  for (let count = random.chance(0.6) ? 1 : random.size(5); count > 0; count--) {
    if (place === 0 && header.length > 0) header = mutated(random, header, other);
    else if (place === 1) body = mutated(random, body, other);
    else bytes = mutated(random, bytes, other);
    if (place < 2 && (place === 1 || header.length > 0)) bytes = base.assemble(header, body);
  }
  return bytes;
}

function caseOf(seed: number): Case {
  const random = new Random(seed);
  const base = baseFile(random, random.of(FORMATS));
  let bytes = random.chance(0.03) ? whole(base) : mutatedFile(random, base);
  // Saved metrics are no file, and class names are not compressed.
  const isCompressed = !['metrics', 'names'].includes(base.format) && random.chance(0.2);
  if (isCompressed) bytes = compressed(random, bytes);
  if (isCompressed && random.chance(0.5)) bytes = mutated(random, bytes, bytes);
  const format = random.chance(0.05) ? random.of(FORMATS) : base.format;
  return { bytes, reading: readingOf(random, format, base), what: format };
}

/** A case that takes longer, which others may be the cause of, is tried again, and may not take longer each time. */
const MOST_MS = 1000;
/** What files of some 100 KB may add to the most memory that the process ever took. */
const MOST_ADDED_KB = 600 * 1024;

/** In memory where the system has such a folder: a million files would wear a disk. */
const FOLDER = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

class FileSession implements Session {
  readonly #folder = mkdtempSync(join(FOLDER, 'softshard-attack-'));

  async attempt(seed: number): Promise<Outcome> {
    const { bytes, reading, what } = caseOf(seed);
    const path = join(this.#folder, `${what}.file`);
    const { maxRSS } = process.resourceUsage();
    const outcome = await outcomeInTime(reading, path, bytes);
    const added = process.resourceUsage().maxRSS - maxRSS;
    expectThat(added < MOST_ADDED_KB, `${added} KB of memory for a file of ${bytes.length} bytes`);
    return outcome === 'accepted' ? `${what} accepted` : outcome;
  }

  async close(): Promise<void> {
    const open = openFilesIn(this.#folder);
    rmSync(this.#folder, { recursive: true, force: true });
    expectThat(open.length === 0, `files are left open: ${open.join(', ')}`);
  }
}

/** The last retry of any case: one at a time, so that a slow case is not taken for another. */
let lastRetry: Promise<unknown> = Promise.resolve();
/** On a machine that does much else, one may be slow again. */
const RETRIES = 4;

async function outcomeInTime(reading: Reading, path: string, bytes: Buffer): Promise<Outcome> {
  const times: number[] = [];
  let { outcome, ms } = await timed(reading, path, bytes);
  while (ms > MOST_MS) {
    times.push(Math.round(ms));
    expectThat(times.length <= RETRIES, `it takes ${times.join(' ms, then ')} ms`);
    const retry = lastRetry.then(() => timed(reading, path, bytes));
    lastRetry = retry.catch(() => {});
    ({ outcome, ms } = await retry);
  }
  return outcome;
}

async function timed(
  reading: Reading,
  path: string,
  bytes: Buffer,
): Promise<{ outcome: Outcome; ms: number }> {
  writeFileSync(path, bytes);
  const begin = performance.now();
  const checks: (() => Promise<void>)[] = [];
  const outcome = await outcomeOf((...args) => reading(...args, (check) => checks.push(check)), path, bytes);
  const ms = performance.now() - begin;
  for (const check of checks) await check();
  return { outcome, ms };
}

async function outcomeOf(
  read: (path: string, bytes: Buffer) => Promise<void>,
  path: string,
  bytes: Buffer,
): Promise<Outcome> {
  try {
    await read(path, bytes);
    return 'accepted';
  } catch (error) {
    // What JSON.parse refuses never comes to be saved metrics.
    if (error instanceof SyntaxError && path.endsWith('metrics.file')) return 'no JSON';
    if (error instanceof AttackFailure) throw error;
    expectCleanError(error, path);
    return error.code;
  }
}

/** Where the system shows them (Linux). */
function openFilesIn(folder: string): string[] {
  if (!existsSync('/proc/self/fd')) return [];
  return readdirSync('/proc/self/fd').flatMap((descriptor) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${descriptor}`);
      return target.startsWith(folder) ? [target] : [];
    } catch {
      // The descriptor with which the folder was listed is closed again.
      return [];
    }
  });
}

export const files: Attack = {
  name: 'files',
  cases: 'mutated files',
  longRun: 1_000_000,
  atOnce: 8,
  brief: true,
  deadlineMs: 60_000,
  open: async () => new FileSession(),
  inputOf: (seed) => {
    const { what, bytes } = caseOf(seed);
    return { [`${what}.file`]: bytes };
  },
};
