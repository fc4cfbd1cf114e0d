// How npm run bench:peers takes peers that are missing or fail. They are small programs here, which answer as peers do.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, test, vi } from 'vitest';
import type { Environment } from '../../bench/environment.js';
import { sectionsOf } from '../../bench/pages/sections.js';
import { PeerProcess, PeerUnavailable } from '../../bench/peers/peer-process.js';
import { Pythons } from '../../bench/peers/python.js';
import { emptyResults, missingLines, type PeerResults, peersMarkdown } from '../../bench/peers/results.js';
import { ResultsFile } from '../../bench/peers/results-file.js';
import { type Sides, withSides } from '../../bench/peers/sides.js';
import type { By, PeerRow } from '../../bench/peers/turns.js';
import { repositoryFile } from '../../bench/result-files.js';
import { summarize } from '../../bench/statistics.js';
import { GRADIENT } from '../../bench/targets.js';

const folder = mkdtempSync(join(tmpdir(), 'softshard-peers-'));
const fakePath = join(folder, 'fake.mjs');

/** Its argument is what it does at its second request, and later ones. */
const FAKE = `
import { createInterface } from 'node:readline';
const [, , misdeed] = process.argv;
if (misdeed === 'dies at once') process.exit(9);
if (misdeed === 'hangs at once') for (;;);
console.log(misdeed === 'is not there' ? '{"unavailable":"no module named fake"}' : '{"version":"Fake 1.0"}');
let requests = 0;
for await (const line of createInterface({ input: process.stdin })) {
  console.log('a library says something');
  if (++requests < 2 || misdeed === 'nothing') console.log('{"ms":1,"cpuMs":1}');
  else if (misdeed === 'dies') process.exit(7);
  else if (misdeed === 'hangs') for (;;);
  else if (misdeed === 'refuses') console.log('{"error":"TypeError: unexpected keyword \\'multi_class\\'\\\\n  at line 7"}');
  else console.log('{"ms": nonsense');
}
`;

beforeAll(() => {
  writeFileSync(fakePath, FAKE);
  vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
});
afterAll(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

const fake = (misdeed: string) => () => PeerProcess.start(process.execPath, [fakePath, misdeed]);
const environment: Environment = {
  date: '2026-01-02T03:04:05Z',
  commit: 'abc',
  node: '20',
  v8: '11',
  platform: 'linux x64',
  cpu: 'CPU',
  cores: 2,
  memoryGiB: 4,
  loadBefore: 0,
};

let files = 0;
function resultsFile() {
  const path = join(folder, 'results', `${++files}.json`);
  const file = new ResultsFile(path, emptyResults(environment, false));
  return { file, read: (): PeerResults => JSON.parse(readFileSync(path, 'utf8')) };
}

const measureCase = (sides: Sides, work: string) =>
  sides.measure(work, async () => {
    const rows: PeerRow[] = [];
    for (const [by, peer] of sides.all()) {
      const { ms } = await peer.ask<{ ms: number }>({ do: 'run' });
      const cores = { own: 1, others: 0 };
      rows.push({ work, shape: '1', by, setting: '', threads: 1, ...summarize([ms]), cores });
    }
    return { rows };
  });

const whoDid = ({ rows }: PeerResults, work: string): By[] =>
  rows.filter((row) => row.work === work).map(({ by }) => by);

describe('a peer that fails', () => {
  it.each([
    ['dies', 'failed at second: ended with exit code 7'],
    ['refuses', "failed at second: TypeError: unexpected keyword 'multi_class'"],
    ['babbles', 'failed at second: '],
  ])(
    'and %s is named with its reason; figures before it are on disk, the others go on (F25)',
    async (misdeed, reason) => {
      const { file, read } = resultsFile();
      await withSides('rows', file, async (sides) => {
        await sides.add('softshard', fake('nothing'));
        await sides.add('PyTorch', fake(misdeed));
        await measureCase(sides, 'first');
        expect(whoDid(read(), 'first')).toEqual(['softshard', 'PyTorch']);
        await measureCase(sides, 'second');
        await measureCase(sides, 'third');
      });
      const results = read();
      expect(results).toEqual(file.results);
      expect(whoDid(results, 'first')).toEqual(['softshard', 'PyTorch']);
      expect(whoDid(results, 'second')).toEqual(['softshard']);
      expect(whoDid(results, 'third')).toEqual(['softshard']);
      expect(results.missing).toEqual([
        { who: 'PyTorch', comparison: 'rows', reason: expect.stringContaining(reason) },
      ]);
      expect(results.missing[0]!.reason).not.toContain('\n');
    },
  );

  it('as it takes longer than allowed is ended and named; figures before it are on disk, the others go on', async () => {
    const { file, read } = resultsFile();
    const compare = async (sides: Sides): Promise<void> => {
      await sides.add('softshard', fake('nothing'));
      await sides.add('scikit-learn', fake('hangs'));
      for (const work of ['first', 'second', 'third']) await measureCase(sides, work);
    };
    await withSides('rows', file, compare, 500);
    expect(whoDid(read(), 'first')).toEqual(['softshard', 'scikit-learn']);
    expect(whoDid(read(), 'third')).toEqual(['softshard']);
    const reason = 'failed at second: took longer than 0.5 s and was ended: --limit allows more';
    expect(read().missing).toEqual([{ who: 'scikit-learn', comparison: 'rows', reason }]);
  });

  it('and is softshard itself ends the comparison, with what was measured on disk (F25)', async () => {
    const { file, read } = resultsFile();
    const compared = withSides('rows', file, async (sides) => {
      await sides.add('softshard', fake('dies'));
      await sides.add('PyTorch', fake('nothing'));
      await measureCase(sides, 'first');
      await measureCase(sides, 'second');
    });
    await expect(compared).rejects.toThrow('softshard failed at second: ended with exit code 7');
    expect(whoDid(read(), 'first')).toEqual(['softshard', 'PyTorch']);
  });
});

describe('a peer that cannot be had', () => {
  it.each([
    ['is not there', 'no module named fake'],
    ['dies at once', 'ended with exit code 9'],
  ])('as it %s is named with the reason (F25)', async (misdeed, reason) => {
    const { file } = resultsFile();
    await withSides('step', file, (sides) => sides.add('PyTorch', fake(misdeed)));
    expect(file.results.missing).toEqual([
      { who: 'PyTorch', comparison: 'step', reason: expect.stringContaining(reason) },
    ]);
  });

  it('as it says nothing for longer than allowed is ended and named', async () => {
    const { file } = resultsFile();
    const start = () => PeerProcess.start(process.execPath, [fakePath, 'hangs at once'], { limitMs: 500 });
    await withSides('step', file, (sides) => sides.add('PyTorch', start));
    expect(file.results.missing[0]!.reason).toContain('took longer than 0.5 s and was ended');
  });

  it('as there is no Python is named with what to install (F25)', async () => {
    const { file } = resultsFile();
    const pythons = new Pythons(undefined, join(folder, 'none'), ['/nowhere/python3']);
    await withSides('rows', file, (sides) =>
      sides.add('PyTorch', async () => PeerProcess.python(pythons.with('torch'), 'rows-torch.py')),
    );
    const [{ who, reason }] = file.results.missing as [PeerResults['missing'][number]];
    expect(who).toBe('PyTorch');
    expect(reason).toMatch(/PyPI's PyTorch wants|no python3 that can make a virtual environment/);
    expect(reason).toContain('apt install python3-torch');
  });

  it('as the Python of --python is missing is named with its path (F25)', async () => {
    const { file } = resultsFile();
    const pythons = new Pythons('/nowhere/python3');
    await withSides('rows', file, (sides) =>
      sides.add('PyTorch', async () => PeerProcess.python(pythons.with('torch'), 'rows-torch.py')),
    );
    expect(file.results.missing[0]!.reason).toContain('/nowhere/python3 cannot be started');
  });

  it('is not softshard itself: without it there is nothing to compare', async () => {
    const { file } = resultsFile();
    const compared = withSides('rows', file, (sides) => sides.add('softshard', fake('is not there')));
    await expect(compared).rejects.toThrow('softshard cannot take part: no module named fake');
  });
});

test.skipIf(process.platform === 'win32')(
  'where PyPI cannot be had, the packages of the system take part, which the versions say (F25)',
  () => {
    const python = join(folder, 'python3');
    writeFileSync(python, '#!/bin/sh\n[ "$2" = "import sklearn" ]\n', { mode: 0o755 });
    const pythons = new Pythons(undefined, join(folder, 'system'), [python]);
    expect(pythons.with('sklearn')).toEqual({ command: python, origin: `the system's ${python}` });
    expect(() => pythons.with('torch')).toThrow(PeerUnavailable);
  },
);

it('Python peers run without settings for an old OpenBLAS, and their versions say where they come from', async () => {
  vi.stubEnv('OPENBLAS_CORETYPE', 'Prescott');
  vi.stubEnv('OPENBLAS_L2_SIZE', '1');
  const script = join(folder, 'environment.mjs');
  const told = 'Object.keys(process.env).filter((name) => name.startsWith("OPENBLAS"))';
  writeFileSync(script, `console.log(JSON.stringify({ version: 'has ' + JSON.stringify(${told}) }));`);
  const source = { command: process.execPath, origin: 'PyPI' };
  const peer = await PeerProcess.python(source, relative(repositoryFile('bench/peers'), script));
  vi.unstubAllEnvs();
  expect(peer.version).toBe('has [] (PyPI)');
  await peer.close();
});

describe('the results', () => {
  const missing = [
    { who: 'PyTorch', comparison: 'rows', reason: 'no Python' },
    { who: 'PyTorch', comparison: 'step', reason: 'no Python' },
    { who: 'fashion-mnist', comparison: 'fashion-mnist', reason: 'no images' },
  ] as const;
  const lines = ['PyTorch is left out of rows, step: no Python.', 'fashion-mnist is left out: no images.'];

  it('and the pages name who is missing, once for each reason (F25)', () => {
    expect(missingLines(missing)).toEqual(lines);
    const peers: PeerResults = { ...emptyResults(environment, false), missing };
    for (const text of [
      peersMarkdown(peers),
      ...['peers', 'peers in short'].map((name) => sectionsOf({ peers })[name]),
    ]) {
      for (const line of lines) expect(text).toContain(`- ${line}`);
    }
  });

  it('are in docs/performance.md without limits in C, and only its six works', () => {
    const row = (work: string, by: By): PeerRow => ({
      ...{ work, shape: '65536 × 10', by, setting: '', threads: 1 },
      ...summarize([by === 'PyTorch' ? 6 : 2]),
      cores: { own: 1, others: 0 },
    });
    const rows = [
      row(GRADIENT, 'softshard'),
      row(GRADIENT, 'PyTorch'),
      row(GRADIENT, 'C limit'),
      row('other', 'PyTorch'),
    ];
    const section = sectionsOf({ peers: { ...emptyResults(environment, false), rows } })['peers in short'];
    expect(section!.split('\n').slice(0, 4)).toEqual([
      '| best times, ms           | shape      | softshard |  PyTorch | times as fast |',
      '| ------------------------ | ---------- | --------: | -------: | ------------: |',
      '| cross-entropy + gradient | 65536 × 10 |  2.00 (1) | 6.00 (1) |          3.00 |',
      '',
    ]);
  });

  it('say that a run has not finished, until it has', () => {
    const { file, read } = resultsFile();
    file.add({ remarks: ['one'] });
    expect(peersMarkdown(read())).toContain('has not finished');
    file.finish();
    expect(read().finished).toBe(true);
    expect(peersMarkdown(read())).not.toContain('has not finished');
  });

  it('take the place of the same work, and of no other', async () => {
    const { file } = resultsFile();
    await withSides('rows', file, async (sides) => {
      await sides.add('softshard', fake('nothing'));
      for (const work of ['first', 'second', 'first']) await measureCase(sides, work);
    });
    expect(file.results.rows.map(({ work }) => work)).toEqual(['second', 'first']);
  });

  it('of a quick run make no page', () => {
    expect(() => sectionsOf({ peers: emptyResults(environment, true) })).toThrow('of a --quick run');
  });
});
