// `npm run bench:peers`: softshard against others on the same work, in one run and in turns.
import { readEnvironment } from '../environment.js';
import { UsageError } from '../options.js';
import { outcomesReport, PEERS_JSON, readResults } from '../report.js';
import { writeResults } from '../result-files.js';
import { compareFashionMnist } from './fashion-mnist.js';
import { compareLinearCrossEntropy } from './linear-cross-entropy.js';
import { compareLogisticRegression } from './logistic-regression.js';
import { COMPARISONS, type ComparisonName, type PeerOptions, parsePeerOptions, USAGE } from './options.js';
import { PeerUnavailable } from './peer-process.js';
import { type Comparison, type PeerResults, peersMarkdown } from './results.js';
import { compareRows } from './rows.js';
import { compareSteps } from './step.js';

const COMPARE: Readonly<Record<ComparisonName, (options: PeerOptions) => Promise<Comparison>>> = {
  rows: compareRows,
  'fashion-mnist': compareFashionMnist,
  'logistic-regression': compareLogisticRegression,
  step: compareSteps,
  'linear-cross-entropy': compareLinearCrossEntropy,
};

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
  const comparisons: Comparison[] = [];
  const left: string[] = [];
  for (const name of COMPARISONS.filter((one) => options.only.includes(one))) {
    try {
      comparisons.push(await COMPARE[name](options));
    } catch (error) {
      // What is not installed cannot be compared with; that is no failure.
      if (!(error instanceof PeerUnavailable)) throw error;
      left.push(`${name} is left out: ${error.message}.`);
    }
  }
  const fresh: PeerResults = {
    kind: 'softshard peers',
    environment,
    versions: distinct(comparisons.flatMap(({ versions }) => versions)),
    rows: comparisons.flatMap(({ rows }) => rows),
    remarks: comparisons.flatMap(({ remarks }) => remarks),
    missing: distinct([...left, ...comparisons.flatMap(({ missing }) => missing)]),
  };
  const path = options.json ?? PEERS_JSON;
  const before = options.add ? readResults<PeerResults>(path) : undefined;
  const results = before === undefined ? fresh : addTo(before, fresh);
  const markdown = peersMarkdown(results);
  writeResults(path, results, markdown);
  console.log(`${markdown}\n\n${outcomesReport({ peers: results })}`);
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}

/** Work that was done again takes the place of what was there. */
function addTo(before: PeerResults, fresh: PeerResults): PeerResults {
  const isDoneAgain = (row: PeerResults['rows'][number]): boolean =>
    fresh.rows.some((other) => other.work === row.work && other.shape === row.shape);
  return {
    ...fresh,
    versions: distinct([...before.versions, ...fresh.versions]),
    rows: [...before.rows.filter((row) => !isDoneAgain(row)), ...fresh.rows],
    remarks: distinct([...before.remarks, ...fresh.remarks]),
    missing: distinct([...before.missing, ...fresh.missing]),
  };
}
