// `npm run bench:peers`: softshard against others on the same work, in one run and in turns.
import { readEnvironment } from '../environment.js';
import { UsageError } from '../options.js';
import { outcomesReport, PEERS_JSON, readResults } from '../report.js';
import { repositoryFile } from '../result-files.js';
import { compareFashionMnist } from './fashion-mnist.js';
import { compareFirstModels } from './first-model.js';
import { compareLinearCrossEntropy } from './linear-cross-entropy.js';
import { compareLogisticRegression } from './logistic-regression.js';
import { COMPARISONS, type ComparisonName, type PeerOptions, parsePeerOptions, USAGE } from './options.js';
import { PeerUnavailable } from './peer-process.js';
import { comparePenalties } from './penalties.js';
import { Pythons } from './python.js';
import { emptyResults, type PeerResults, peersMarkdown } from './results.js';
import { ResultsFile } from './results-file.js';
import { compareRows } from './rows.js';
import { type Sides, withSides } from './sides.js';
import { compareSteps } from './step.js';

type Compare = (sides: Sides, options: PeerOptions, pythons: Pythons) => Promise<void>;
const COMPARE: Readonly<Record<ComparisonName, Compare>> = {
  rows: compareRows,
  'fashion-mnist': compareFashionMnist,
  'first-model': compareFirstModels,
  'logistic-regression': compareLogisticRegression,
  penalties: comparePenalties,
  step: compareSteps,
  'linear-cross-entropy': compareLinearCrossEntropy,
};

const QUICK_JSON = repositoryFile('bench/results/peers-quick.json');

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
  const path = options.json ?? (options.quick ? QUICK_JSON : PEERS_JSON);
  const file = new ResultsFile(path, firstResults(path, options));
  const pythons = new Pythons(options.python);
  for (const name of COMPARISONS.filter((one) => options.only.includes(one))) {
    try {
      await withSides(name, file, (sides) => COMPARE[name](sides, options, pythons), options.limitMs);
    } catch (error) {
      const { message: reason, stack } = error as Error;
      file.add({ missing: [{ who: name, comparison: name, reason }] });
      // What is not installed cannot be compared with; that is no failure.
      if (error instanceof PeerUnavailable) continue;
      console.error(`${name} failed: ${stack}`);
      process.exitCode = 1;
    }
  }
  file.finish();
  console.log(peersMarkdown(file.results));
  if (!options.quick) console.log(`\n${outcomesReport({ peers: file.results })}`);
}

/** With --add what the file has, but for what is to be found out again. */
function firstResults(path: string, { add, only, quick }: PeerOptions): PeerResults {
  const environment = readEnvironment();
  const before = add ? readResults<PeerResults>(path) : undefined;
  if (before === undefined) return emptyResults(environment, quick);
  if (before.quick !== quick) {
    throw new UsageError(`--add: ${path} has results of a run ${quick ? 'without' : 'with'} --quick`);
  }
  const missing = before.missing.filter(({ comparison }) => !only.includes(comparison));
  return { ...before, environment, finished: false, missing };
}
