// The generated sections of README.md and docs/performance.md, by the name that their comments carry.
import { environmentLine } from '../environment.js';
import { outcomesMarkdown, outcomesSummary } from '../outcomes.js';
import { missingLines, type PeerResults } from '../peers/results.js';
import { outcomesOf } from '../report.js';
import { type BenchResults, latenciesMarkdown, machineMarkdown } from '../results.js';
import { limitsSection } from './limits.js';
import { constantsSection, predictionsSection, slopesSection } from './model.js';
import { operationsSection } from './operations.js';
import { peersSection } from './peers.js';
import { rooflineSection } from './roofline.js';

/** What the README shows of the operations. */
const README_CASES = ['softmax', 'crossEntropyGradient in place', 'training step'];

type Sections = Readonly<Record<string, string | undefined>>;

/** Sections of what was measured; the others are undefined. Throws for results of a --quick run. */
export function sectionsOf({ bench, peers }: { bench?: BenchResults; peers?: PeerResults }): Sections {
  if (bench?.quick || peers?.quick)
    throw new Error('the results are of a --quick run, which is not for figures: run without');
  const all = outcomesOf({ bench, peers });
  const benchLine = bench && environmentLine(bench.environment);
  const peersLine = peers && [environmentLine(peers.environment), ...peers.versions].join('; ');
  const operations = bench && operationsSection(bench.rows);
  const inReadme = bench && operationsSection(bench.rows.filter((row) => README_CASES.includes(row.case)));
  const beside = peers && peersSection(peers);
  const bullets = (lines: readonly string[]) => lines.map((line) => `- ${line}`);
  const missing = bullets(missingLines(peers?.missing ?? []));
  return {
    operations: bench && `${benchLine}\n\n${operations}`,
    'operations in short': bench && `${benchLine}\n\n${inReadme}`,
    peers: peers && [peersLine, beside, ...bullets(peers.remarks), ...missing].join('\n\n'),
    'peers in short': peers && [peersLine, beside, ...missing].join('\n\n'),
    limits: peers && limitsSection(peers.rows),
    targets: (bench ?? peers) && `${outcomesMarkdown(all)}\n\n${outcomesSummary(all)}`,
    'targets in short': (bench ?? peers) && outcomesSummary(all),
    machine: bench?.machine && `${benchLine}\n\n${machineMarkdown(bench.machine)}`,
    latencies: bench?.latencies && latenciesMarkdown(bench.latencies),
    roofline: bench && rooflineSection(bench),
    model: bench?.model && constantsSection(bench.model),
    predictions: bench?.model && predictionsSection(bench.model),
    slopes: bench?.model && slopesSection(bench.model),
  };
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
