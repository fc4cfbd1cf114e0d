// What the cost model says of more ranks on usual networks, and where scaling ends.
import {
  type PassConstants,
  type PassPrediction,
  predictPass,
  type TransportConstants,
} from './cost-model.js';

export interface PredictedPoint extends PassPrediction {
  /** Rows a second, over those of one rank, over the ranks. */
  readonly efficiency: number;
}

export interface PredictedLink {
  readonly gbitPerSecond: number;
  /** The same rows on 1, 2, 4, … ranks. */
  readonly strong: readonly PredictedPoint[];
  /** Rows in proportion to the ranks. */
  readonly weak: readonly PredictedPoint[];
  /** Where strong scaling ends, in a sentence. */
  readonly text: string;
}

export const LINKS_GBIT: readonly number[] = [10, 25, 100];
const MOST_RANKS = 1024;

/** Of a frame of 1,500 bytes and its gap on the wire, what is left beside the headers of Ethernet, IP and TCP: 1448 / 1538. */
const PAYLOAD = 0.94;
/** A switch and two network cards add so much to the latency within a machine. */
const SWITCHED_MS = 0.01;

/** The transport that was measured, over a link: no faster than it was, which took its processors' time as well. */
export const overLink = (
  transport: TransportConstants,
  gbitPerSecond: number,
  addedMs: number = SWITCHED_MS,
): TransportConstants => ({
  ...transport,
  latencyMs: transport.latencyMs + addedMs,
  // A gigabit is 125 million bytes.
  bytesPerMs: Math.min(transport.bytesPerMs, PAYLOAD * 125_000 * gbitPerSecond),
});

export interface PredictedShape {
  readonly rows: number;
  /** Of weak scaling. */
  readonly rowsPerRank: number;
  readonly branchesOf: (rows: number) => number;
}

export function predictScaling(
  transport: TransportConstants,
  pass: PassConstants,
  { rows, rowsPerRank, branchesOf }: PredictedShape,
): PredictedLink[] {
  const counts = Array.from({ length: Math.log2(MOST_RANKS) + 1 }, (_, power) => 2 ** power);
  return LINKS_GBIT.map((gbitPerSecond) => {
    const link = overLink(transport, gbitPerSecond);
    const points = (rowsOn: (ranks: number) => number): PredictedPoint[] => {
      const all = counts.map((ranks) => {
        const shape = { rows: rowsOn(ranks), branches: branchesOf(rowsOn(ranks)) };
        return predictPass(link, pass, shape, ranks);
      });
      const rate = ({ rows: count, ms }: PassPrediction) => count / ms;
      return all.map((point) => ({ ...point, efficiency: rate(point) / rate(all[0]!) / point.ranks }));
    };
    const strong = points(() => rows);
    const weak = points((ranks) => rowsPerRank * ranks);
    return { gbitPerSecond, strong, weak, text: endText(gbitPerSecond, strong) };
  });
}

const HALF = 0.5;

function endText(gbitPerSecond: number, strong: readonly PredictedPoint[]): string {
  const last = strong.findLast(({ efficiency }) => efficiency >= HALF)!;
  const next = strong.find(({ ranks }) => ranks > last.ranks);
  const at = `${gbitPerSecond} Gbit/s: `;
  if (next === undefined) return `${at}more than half efficient up to ${last.ranks} ranks and beyond.`;
  const why =
    next.busyRanks < next.ranks
      ? `the rows have ${next.busyRanks} ${next.busyRanks === 1 ? 'branch' : 'branches'}, so that more ranks have nothing to do`
      : next.networkMs >= HALF * next.ms
        ? 'sums between ranks then take half of a pass and more'
        : 'what does not depend on rows then takes most of a pass';
  return `${at}at least half efficient up to ${last.ranks} ${last.ranks === 1 ? 'rank' : 'ranks'}; ${why}.`;
}
