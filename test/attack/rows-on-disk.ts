// Rows that stay on disk: what openFeatures gives of a file, whether or not it changes while it is open, is what
// readFeatures gives of the file as it was.
import {
  appendFileSync,
  mkdirSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { type Files, openFeatures, readFeatures, SoftshardError } from '#softshard/main/index.js';
import { expectThat } from './attack.js';
import { expectCleanError } from './clean-errors.js';
import { CountingMemory } from './file-content.js';
import type { Random } from './random.js';
import type { Reading } from './reading.js';

type Rows = Files.OpenFeatures;
type Values = Float32Array | Uint8Array;

/** Shares of all rows: how many there are, the file decides. */
type Picks = readonly number[];

/** Some rows in any order, a run of them, or one row again and again. */
function picksOf(random: Random): Picks {
  const begin = random.next();
  const one = () => (random.chance(0.1) ? begin : random.next());
  const picks = Array.from({ length: random.below(60) }, one);
  return random.chance(0.3) ? picks.sort((a, b) => a - b) : picks;
}

const rowNumbers = (picks: Picks, rows: number): Uint32Array =>
  Uint32Array.from(picks, (pick) => Math.floor(pick * rows));

const allOf = ({ rows }: Rows): Uint32Array => Uint32Array.from({ length: rows }, (_, row) => row);

async function gathered(rows: Rows, chosen: Uint32Array): Promise<Values> {
  const length = chosen.length * rows.features;
  // Filled with junk, so that what is not written shows.
  const into = rows.type === 'uint8' ? new Uint8Array(length) : new Float32Array(length);
  await rows.gather(chosen, into.fill(77));
  return into;
}

function expectRows(got: Values, chosen: Uint32Array, all: Values, { features }: Rows): void {
  for (const [i, row] of chosen.entries()) {
    for (let feature = 0; feature < features; feature++) {
      const [value, wanted] = [got[i * features + feature], all[row * features + feature]];
      expectThat(Object.is(value, wanted), `row ${row}, feature ${feature} is ${value}, not ${wanted}`);
    }
  }
}

const refusal = (error: unknown): SoftshardError => {
  if (error instanceof SoftshardError) return error;
  throw error;
};

/** Opens the file for `use`. What is refused, readFeatures refuses too, or rows cannot be read one by one. */
async function withRows(
  path: string,
  use: (rows: Rows, inMemory: Files.FeatureFile | SoftshardError) => Promise<void>,
): Promise<void> {
  const inMemory = await readFeatures(new CountingMemory(), path).catch(refusal);
  let rows: Rows;
  try {
    rows = await openFeatures(path);
  } catch (error) {
    const { message } = refusal(error);
    const isElsewhere = message.includes('rows that can be read one by one');
    expectThat(inMemory instanceof SoftshardError || isElsewhere, `readFeatures reads it: ${message}`);
    throw error;
  }
  try {
    await use(rows, inMemory);
  } finally {
    await rows.close();
  }
}

/** As openFeatures, which looks neither at labels nor, of single rows, at the sums that .npz files have of whole arrays. */
async function withoutLabels(path: string, { arrays }: Rows): Promise<Files.FeatureFile | undefined> {
  const options = arrays && { featureColumns: arrays.features, skipLabels: true };
  const content = await readFeatures(new CountingMemory(), path, options).catch(refusal);
  if (!(content instanceof SoftshardError)) return content;
  expectThat(/checksum/.test(content.message), `readFeatures refuses it: ${content.message}`);
  return undefined;
}

export function openedRows(random: Random): Reading {
  const picks = picksOf(random);
  return (path, bytes) =>
    withRows(path, async (rows, inMemory) => {
      expectThat(rows.rows * rows.features <= bytes.length, `${rows.dims} of ${bytes.length} bytes`);
      if (inMemory instanceof SoftshardError) await gathered(rows, allOf(rows));
      const content = inMemory instanceof SoftshardError ? await withoutLabels(path, rows) : inMemory;
      if (content === undefined) return;
      const { matrix, featureDims, elementType } = content;
      const [own, others] = [rows, { dims: matrix.dims, type: matrix.type, featureDims, elementType }];
      for (const name of ['dims', 'type', 'featureDims', 'elementType'] as const) {
        const [got, wanted] = [JSON.stringify(own[name]), JSON.stringify(others[name])];
        expectThat(got === wanted, `${name} is ${got}, of readFeatures ${wanted}`);
      }
      const all = matrix.data;
      for (const chosen of [rowNumbers(picks, rows.rows), allOf(rows)]) {
        expectRows(await gathered(rows, chosen), chosen, all, rows);
      }
      const atOnce = [allOf(rows), rowNumbers(picks, rows.rows), rowNumbers(picks.toReversed(), rows.rows)];
      const results = await Promise.all(atOnce.map((chosen) => gathered(rows, chosen)));
      for (const [i, got] of results.entries()) expectRows(got, atOnce[i]!, all, rows);
    });
}

type Change = (path: string, bytes: Buffer, rows: Rows) => Promise<void> | void;

/** The file itself becomes another one. */
const inPlace = (random: Random): Change => {
  const part = random.next();
  const shifted = (bytes: Buffer) => Buffer.concat([bytes.subarray(7), bytes.subarray(0, 7)]);
  return random.of<Change>([
    (path, bytes) => truncateSync(path, Math.floor(part * bytes.length)),
    (path, bytes) => appendFileSync(path, bytes.subarray(part * bytes.length)),
    (path, bytes) => writeFileSync(path, shifted(bytes)),
    (path, bytes) => writeFileSync(path, shifted(bytes), { flag: 'r+' }),
    (path, bytes) => writeFileSync(path, Buffer.concat([bytes, bytes])),
    // And back again.
    (path, bytes) => {
      truncateSync(path, Math.floor(part * bytes.length));
      writeFileSync(path, bytes);
    },
  ]);
};

/** Another takes its name, or nobody, or it is let go of. */
const elsewhere = (random: Random): Change =>
  random.of<Change>([
    (path, bytes) => {
      writeFileSync(`${path}.new`, Buffer.from(bytes).reverse());
      renameSync(`${path}.new`, path);
    },
    (path) => rmSync(path),
    (path) => {
      rmSync(path);
      mkdirSync(path);
    },
    (_path, _bytes, rows) => rows.close(),
  ]);

export function changingRows(random: Random): Reading {
  const [picks, more] = [picksOf(random), picksOf(random)];
  const isInPlace = random.chance(0.6);
  const change = isInPlace ? inPlace(random) : elsewhere(random);
  const ticks = random.below(4);
  const isMeanwhile = random.chance(0.5);
  return async (path, bytes) => {
    // As one that was written some time ago: clocks of files tick slowly.
    utimesSync(path, 1, 1);
    try {
      await withRows(path, async (rows, inMemory) => {
        if (inMemory instanceof SoftshardError) throw inMemory;
        const { data } = inMemory.matrix;
        // Rows as they were, or why there are none.
        const attempt = async (chosen: Uint32Array): Promise<SoftshardError | undefined> => {
          try {
            expectRows(await gathered(rows, chosen), chosen, data, rows);
            return undefined;
          } catch (error) {
            expectCleanError(error, path);
            expectThat(
              ['ERR_FORMAT', 'ERR_CLOSED'].includes(error.code) && error.message.includes(path),
              `the wrong error for a change: ${error.message}`,
            );
            return error;
          }
        };
        await attempt(rowNumbers(picks, rows.rows));
        const reading = isMeanwhile ? attempt(allOf(rows)) : undefined;
        for (let tick = 0; tick < ticks; tick++) await setImmediate();
        await change(path, bytes, rows);
        await reading;
        const refused = await attempt(rowNumbers(more, rows.rows));
        expectThat(!isInPlace || refused !== undefined, 'rows of a file that has changed are accepted');
        if (refused) throw refused;
      });
    } finally {
      rmSync(path, { recursive: true, force: true });
    }
  };
}
