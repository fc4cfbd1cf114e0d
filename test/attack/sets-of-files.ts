// Several files as one data set, of which one is damaged, missing, of another kind or something else than a file: what is
// accepted holds the rows of each, as they are read by themselves.
import { mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Allocator,
  type Files,
  readFeatures,
  readLabels,
  readMatrix,
  SoftshardError,
} from '#softshard/main/index.js';
import { expectThat } from './attack.js';
import { type BaseFile, baseFile, FORMATS, whole } from './base-files.js';
import { isSameLabel } from './expected-content.js';
import { CountingMemory } from './file-content.js';
import type { Random } from './random.js';
import type { Reading } from './reading.js';

type Options = Files.CsvOptions;
type Content = Partial<Pick<Files.FeatureFile, 'matrix'>> & Partial<Files.LabelFile>;
type Read = (allocator: Allocator, path: string, options: Options) => Promise<Content>;

const READERS: readonly Read[] = [
  readMatrix,
  readFeatures,
  readFeatures,
  (_, path, options) => readLabels(path, options),
];

/** What is in the place of one of the files; gives whether it counts as a file. */
type Place = (path: string, bytes: Buffer, elsewhere: string) => 'a file' | 'no file' | 'an error';

const placesOf = (random: Random, { format }: BaseFile): readonly Place[] => {
  const others = [baseFile(random, format), baseFile(random, random.of(FORMATS))].map(whole);
  const other = random.of(others);
  const asIs: Place = (path, bytes) => {
    writeFileSync(path, bytes);
    return 'a file';
  };
  return [
    ...Array<Place>(8).fill(asIs),
    (path) => asIs(path, other, ''),
    (path) => asIs(path, Buffer.alloc(0), ''),
    (path, bytes, elsewhere) => {
      writeFileSync(elsewhere, bytes);
      symlinkSync(elsewhere, path);
      return 'a file';
    },
    (path, _, elsewhere) => {
      symlinkSync(elsewhere, path);
      return 'an error';
    },
    (path) => {
      symlinkSync(path, path);
      return 'an error';
    },
    (path) => {
      mkdirSync(path);
      return 'no file';
    },
  ];
};

/** What happens to it once reading has begun. */
type Change = (path: string) => void;
const CHANGES: readonly Change[] = [
  (path) => rmSync(path, { recursive: true, force: true }),
  (path) => {
    rmSync(path, { recursive: true, force: true });
    mkdirSync(path);
  },
  (path) => truncateSync(path),
];

const contentOrError = (content: Promise<Content>): Promise<Content | SoftshardError> =>
  content.catch((error: unknown) => {
    if (error instanceof SoftshardError) return error;
    throw error;
  });

export function setReading(random: Random, base: BaseFile): Reading {
  const { options = {} } = base;
  const [count, read] = [random.between(2, 4), random.of(READERS)];
  const at = random.below(count);
  const place = random.of(placesOf(random, base));
  const change = random.chance(0.1) ? random.of(CHANGES) : undefined;
  const name = random.of(['', 'part-?', '*']);
  return async (path, bytes, later) => {
    const folder = `${path}.set`;
    const elsewhere = `${path}.elsewhere`;
    const files = Array.from({ length: count }, (_, i) => join(folder, `part-${i}`));
    const changed = files[at]!;
    const removeFiles = () => {
      rmSync(folder, { recursive: true, force: true });
      rmSync(elsewhere, { force: true });
    };
    const writeFiles = () => {
      removeFiles();
      mkdirSync(folder);
      for (const file of files) if (file !== changed) writeFileSync(file, whole(base));
      return place(changed, bytes, elsewhere);
    };
    const placed = writeFiles();
    let isChanged = false;
    const onProgress = () => {
      if (!isChanged && placed === 'a file') change?.(changed);
      isChanged = true;
    };
    const own = change ? { ...options, onProgress } : options;
    const got = await contentOrError(read(new CountingMemory(), join(folder, name), own));
    later(async () => {
      writeFiles();
      const parts: (Content | SoftshardError)[] = [];
      for (const file of files) {
        if (file === changed && placed === 'no file') continue;
        parts.push(await contentOrError(read(new CountingMemory(), file, options)));
      }
      expectSet(got, parts, folder, isChanged);
      removeFiles();
    });
    if (got instanceof SoftshardError) throw got;
  };
}

/** What refuses files that can each be read. */
const OF_SETS = /read as one|all files together/;

function expectSet(
  got: Content | SoftshardError,
  parts: readonly (Content | SoftshardError)[],
  folder: string,
  isChanged: boolean,
): void {
  const failed = parts.find((part) => part instanceof SoftshardError);
  if (got instanceof SoftshardError) {
    const { message } = got;
    expectThat(message.includes(folder), `no file is named: ${message}`);
    expectThat(failed !== undefined || isChanged || OF_SETS.test(message), `each can be read: ${message}`);
    return;
  }
  expectThat(failed === undefined, `a set is accepted of which a file is refused: ${failed?.message}`);
  let [row, begin] = [0, 0];
  for (const { matrix, targets, classNames } of parts as readonly Content[]) {
    for (const [i, value] of matrix?.data.entries() ?? []) {
      const found = got.matrix?.data[begin + i];
      expectThat(Object.is(found, value), `value ${begin + i} is ${found}, in its file ${value}`);
    }
    begin += matrix?.data.length ?? 0;
    expectThat((targets === undefined) === (got.targets === undefined), 'labels come or go');
    for (const target of targets ?? []) {
      const label = got.targets![row++]!;
      const isSame = classNames
        ? isSameLabel(classNames[target]!, got.classNames?.[label])
        : label === target && got.classNames === undefined;
      expectThat(
        isSame,
        `label ${row - 1} is ${got.classNames?.[label] ?? label}, in its file ${classNames?.[target] ?? target}`,
      );
    }
  }
  expectThat(begin === (got.matrix?.data.length ?? 0), `${got.matrix?.dims} hold other rows than the files`);
  expectThat(row === (got.targets?.length ?? 0), `${got.targets?.length} labels, not ${row}`);
}
