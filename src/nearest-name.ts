// Which name was probably meant by one that does not exist, for messages.

/** More mistakes than this make another word. */
const MOST_MISTAKES = 3;

/** The known name with the fewest mistakes, of any case; undefined if none is close to it. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const most = Math.min(MOST_MISTAKES, Math.ceil(name.length / 3));
  let nearest: string | undefined;
  let fewest = most + 1;
  for (const candidate of known) {
    // Lengths alone tell that there are more.
    if (Math.abs(candidate.length - name.length) >= fewest) continue;
    const mistakes = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (mistakes >= fewest) continue;
    fewest = mistakes;
    nearest = candidate;
  }
  return nearest;
}

/** ' (did you mean x?)', or ''. `shown`: how a name is written in messages. */
export function didYouMean(
  name: string,
  known: readonly string[],
  shown: (name: string) => string = String,
): string {
  const nearest = nearestName(name, known);
  return nearest === undefined ? '' : ` (did you mean ${shown(nearest)}?)`;
}

/** Letters left out, put in, replaced, or swapped with their neighbour: the optimal string alignment distance. */
export function editDistance(from: string, to: string): number {
  let before: number[] = [];
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      let least = Math.min(row[j]! + 1, next[j - 1]! + 1, replaced);
      const isSwap = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      if (isSwap) least = Math.min(least, before[j - 2]! + 1);
      next.push(least);
    }
    before = row;
    row = next;
  }
  return row[to.length]!;
}
