// `npm run bench:peers`: softshard against PyTorch on the same work, in one run and in turns.
import { readEnvironment } from '../environment.js';
import { UsageError } from '../options.js';
import { repositoryFile, writeResults } from '../result-files.js';
import { compareCrossEntropy } from './cross-entropy.js';
import { compareFashionMnist, type PeerCase } from './fashion-mnist.js';
import { compareLinearCrossEntropy } from './linear-cross-entropy.js';
import { type Comparison, type PeerOptions, parsePeerOptions, USAGE } from './options.js';
import { PeerUnavailable } from './python-peer.js';
import { type PeerResults, peersMarkdown } from './results.js';

const COMPARISONS = {
  'fashion-mnist': compareFashionMnist,
  'cross-entropy': compareCrossEntropy,
  'linear-cross-entropy': compareLinearCrossEntropy,
} satisfies Record<Comparison, unknown>;

try {
  const options = parsePeerOptions(process.argv.slice(2));
  if (options === undefined) console.log(USAGE);
  else await run(options);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}

async function run(options: PeerOptions): Promise<void> {
  const environment = readEnvironment();
  const cases: PeerCase[] = [];
  for (const [name, compare] of Object.entries(COMPARISONS)) {
    if (options.only !== undefined && options.only !== name) continue;
    try {
      cases.push(await compare(options));
    } catch (error) {
      // What is not installed cannot be compared with; that is no failure.
      if (!(error instanceof PeerUnavailable)) throw error;
      console.log(`${name} is left out: ${error.message}.`);
    }
  }
  if (cases.length === 0) return;
  const results: PeerResults = {
    kind: 'softshard peers',
    environment,
    peer: cases[0]!.version,
    rows: cases.flatMap(({ rows }) => rows),
    remarks: cases.flatMap(({ remarks }) => remarks),
  };
  const markdown = peersMarkdown(results);
  console.log(markdown);
  writeResults(options.json ?? repositoryFile('bench/results/peers.json'), results, markdown);
}
