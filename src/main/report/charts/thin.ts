// Fewer points of a long series, with its extremes: what a chart of some hundred pixels can show.

export interface Point {
  readonly x: number;
  /** null: there is none here, and the line is broken. */
  readonly y: number | null;
  /** Where the error bar begins and ends. */
  readonly low?: number | undefined;
  readonly high?: number | undefined;
  /** What a tooltip says of it instead of the number. */
  readonly text?: string | undefined;
}

/** The first and the last point, and of each of equally many points in order the least and the largest. */
export function thin(points: readonly Point[], most: number): readonly Point[] {
  if (points.length <= most) return points;
  const buckets = Math.max(1, Math.floor((most - 2) / 2));
  const kept: Point[] = [points[0]!];
  for (let bucket = 0; bucket < buckets; bucket++) {
    const begin = 1 + Math.floor(((points.length - 2) * bucket) / buckets);
    const end = 1 + Math.floor(((points.length - 2) * (bucket + 1)) / buckets);
    kept.push(...extremes(points, begin, end));
  }
  kept.push(points.at(-1)!);
  return kept;
}

function extremes(points: readonly Point[], begin: number, end: number): readonly Point[] {
  let least: number | undefined;
  let most: number | undefined;
  for (let i = begin; i < end; i++) {
    const { y } = points[i]!;
    if (y === null) continue;
    if (least === undefined || y < points[least]!.y!) least = i;
    if (most === undefined || y > points[most]!.y!) most = i;
  }
  // A gap in the line stays one.
  if (least === undefined || most === undefined) return begin < end ? [points[begin]!] : [];
  const [first, second] = [Math.min(least, most), Math.max(least, most)];
  return first === second ? [points[first]!] : [points[first]!, points[second]!];
}
