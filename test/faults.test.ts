// The faults that other people's inputs (F) and attacks (R) found in 0.1.0. Tests that hold the right value name the number
// at the end of their titles; this file says what each number stands for.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const FAULTS = {
  F1: 'a signal that is not Node’s own blocks the engine',
  F2: 'columns are matched by place, not by name',
  F3: 'a header of numbers becomes a row',
  F4: 'labels that look like numbers go through float64',
  F5: 'a missing or continuous label becomes a class',
  F6: 'integer labels against classes with names of integers',
  F7: 'arrays and errors of another realm are refused',
  F8: 'bundled, it breaks late or without a remedy',
  F9: 'writers replace pipes and devices',
  F10: 'memory of closed engines stays',
  F11: 'balanced weights do not count sample weights',
  F12: 'standard scaling of NaN and of denormals',
  F13: 'a web page or another format saved as data',
  F14: 'advice for ulimit -v that does not help',
  F15: 'TypeScript: exactOptionalPropertyTypes, versions',
  F16: 'a linked package with preserved symlinks',
  F17: 'numpy.savetxt’s blanks as delimiters',
  F18: 'a labels file with a header above words',
  F19: 'one-hot labels get the wrong remedy',
  F20: 'a detached array gives an empty result',
  F21: 'scores of classes that are null on the command line alone',
  F22: 'a validation split of no rows',
  F23: 'links that are dead on npm',
  F25: 'the benchmark of peers dies with a peer and keeps nothing',
  R1: 'a record of too many cells ends the process',
  R2: 'control characters of files reach the terminal',
  R3: 'a pipe as an input file waits for ever',
  R4: 'a file cut between two passes is accepted',
  R5: 'raw errors instead of SoftshardError',
  R6: 'messages as long as a file’s header',
  R7: 'an interrupted output exits with 1',
  R8: 'work that grows with the square of what waits',
  R9: 'after several threads die the next call fails too',
  R10: 'targets that change during a call count as ignored',
  R11: 'a link to a file yet to be made is replaced',
  R12: 'a killed save leaves its temporary for ever',
  R13: 'weights of a classifier can be reassigned',
  R14: 'a passing fault of an idle worker loses the engine',
  R15: 'a long-lived signal keeps bytes of each call',
  R16: 'closing while threads load leaves descriptors',
} as const;
// F24, the speed of reading CSV, is a benchmark's matter.

const titles = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts') && name !== 'faults.test.ts')
  .map((name) => readFileSync(join(import.meta.dirname, name), 'utf8'))
  .join('\n');

test.each(Object.entries(FAULTS))('%s, "%s", has a test that names it', (number) => {
  expect(titles).toMatch(new RegExp(`[('\`, ]${number}[)', ]`));
});
