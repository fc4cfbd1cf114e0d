// The generated sections of docs/performance.md and the newest notes, by the name that their comments carry.
import { environmentLine } from '../environment.js';
import { outcomesMarkdown, outcomesSummary } from '../outcomes.js';
import { missingLines, type PeerResults } from '../peers/results.js';
import { outcomesOf } from '../report.js';
import { type BenchResults, type BenchRow, latenciesMarkdown, machineMarkdown } from '../results.js';
import { EPOCH, GRADIENT, LINEAR, LINEAR_SHAPE, LOGISTIC, SOFTMAX } from '../targets.js';
import { limitsSection } from './limits.js';
import { ofFastestBuild, operationsSection } from './operations.js';
import { COMPARED, peersSection } from './peers.js';
import { rooflineSection } from './roofline.js';

/** The rows of docs/performance.md: the work, and how its shape begins. */
const SHORT_PEERS = [
  [GRADIENT, '65536 × 10'],
  [GRADIENT, '65536 × 1000'],
  [SOFTMAX, '4096 × 32768'],
  [EPOCH, 'batch 1024'],
  [LOGISTIC, '100 iterations'],
  [LINEAR, LINEAR_SHAPE],
] as const;

/** The rows of docs/performance.md: by case, the shapes. */
const ROW_SHAPES = ['64 × 1024', '65536 × 10', '65536 × 1000', '1024 × 131072'];
const OPTION_SHAPES = ['8192 × 1000'];
const SHORT_ROWS: Readonly<Record<string, readonly string[]>> = {
  softmax: ROW_SHAPES,
  'crossEntropyGradient in place': ROW_SHAPES,
  'crossEntropyGradient, label smoothing, z-loss': OPTION_SHAPES,
  'crossEntropyGradient, bfloat16': OPTION_SHAPES,
  'crossEntropyGradient, float64': OPTION_SHAPES,
  'training step': ['784 × 10, batch 128', '784 × 10, batch 8192', '768 × 1000, batch 8192'],
};

type Sections = Readonly<Record<string, string | undefined>>;

/** Sections of what was measured; the others are undefined. Throws for results of a --quick run. */
export function sectionsOf({ bench, peers }: { bench?: BenchResults; peers?: PeerResults }): Sections {
  if (bench?.quick || peers?.quick)
    throw new Error('the results are of a --quick run, which is not for figures: run without');
  const all = outcomesOf({ bench, peers });
  const benchLine = bench && environmentLine(bench.environment);
  const peersLine = (versions: readonly string[]) =>
    peers && [environmentLine(peers.environment), ...versions].join('; ');
  const bullets = (lines: readonly string[]) => lines.map((line) => `- ${line}`);
  const missing = bullets(missingLines(peers?.missing ?? []));
  const inShort = peers?.rows.filter(({ work, shape }) =>
    SHORT_PEERS.some(
      ([shown, begin]) => work === shown && (shape === begin || shape.startsWith(`${begin} `)),
    ),
  );
  const comparedVersions = peers?.versions.filter((version) => !version.startsWith('C limit')) ?? [];
  return {
    operations: bench && `${benchLine}\n\n${operationsSection(bench.rows)}`,
    'operations in short':
      bench && `${benchLine}\n\n${operationsSection(ofFastestBuild(bench.rows).filter(isInShort))}`,
    peers:
      peers &&
      [peersLine(peers.versions), peersSection(peers.rows), ...bullets(peers.remarks), ...missing].join(
        '\n\n',
      ),
    'peers in short':
      inShort && [peersSection(inShort, COMPARED), peersLine(comparedVersions), ...missing].join('\n\n'),
    limits: peers && limitsSection(peers.rows),
    targets: (bench ?? peers) && `${outcomesMarkdown(all)}\n\n${outcomesSummary(all)}`,
    machine: bench?.machine && `${benchLine}\n\n${machineMarkdown(bench.machine)}`,
    latencies: bench?.latencies && latenciesMarkdown(bench.latencies),
    roofline: bench && rooflineSection(bench),
  };
}

const isInShort = ({ case: name, shape }: BenchRow): boolean => SHORT_ROWS[name]?.includes(shape) ?? false;

/** The pages with sections to fill: notes (files of bench/notes, which begin with year and month) of the newest month. */
export function pagesToFill(notes: readonly string[]): string[] {
  const newest = notes.toSorted().at(-1)?.slice(0, 'YYYY-MM'.length);
  const filled = notes.filter((name) => newest !== undefined && name.startsWith(newest)).toSorted();
  return ['docs/performance.md', ...filled.map((name) => `bench/notes/${name}`)];
}
const BEGIN = /<!-- bench:begin (.+?) -->/g;

/** The page with each section between its two comments, in the place of what was there; undefined ones stay. */
export function fillPage(page: string, sections: Sections): string {
  let filled = page;
  for (const [begin, name] of page.matchAll(BEGIN)) {
    const end = `<!-- bench:end ${name} -->`;
    const [from, to] = [filled.indexOf(begin), filled.indexOf(end)];
    if (!(name! in sections)) throw new Error(`${begin}: there is no section of that name`);
    if (to < from) throw new Error(`${begin} is not followed by ${end}`);
    const section = sections[name!];
    if (section === undefined) continue;
    filled = `${filled.slice(0, from + begin.length)}\n\n${section}\n\n${filled.slice(to)}`;
  }
  return filled;
}
