// Work on several items at once, of which none goes on when the caller closes its file.

/** As many as Node has threads for files and decompression. */
export const MOST_AT_ONCE = 4;

/** Works on all items. After a failure, with which it rejects, no other is begun; when it settles, no work goes on. */
export async function forEachAtOnce<Item>(
  items: Iterable<Item>,
  work: (item: Item) => Promise<void>,
  atOnce = MOST_AT_ONCE,
): Promise<void> {
  const waiting = items[Symbol.iterator]();
  const failures: unknown[] = [];
  const workOn = async () => {
    while (failures.length === 0) {
      const next = waiting.next();
      if (next.done) return;
      await work(next.value).catch((error: unknown) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, workOn));
  if (failures.length > 0) throw failures[0];
}

/** Beyond it items are worked on alone. */
const MOST_BYTES = 64 << 20;

/**
 * The results of `work`, in the order of the items, while up to four are under way that take no more than 64 MB together.
 * Whatever fails, no work goes on after the last result was given or the consumer has left.
 */
export async function* inOrder<Item, Result>(
  items: Iterable<Item>,
  bytesOf: (item: Item) => number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<{ item: Item; result: Result }, void, undefined> {
  const waiting = items[Symbol.iterator]();
  const underWay: { item: Item; bytes: number; result: Promise<Result> }[] = [];
  let bytes = 0;
  let next = waiting.next();
  try {
    for (;;) {
      while (!next.done && underWay.length < MOST_AT_ONCE) {
        const item = next.value;
        const more = bytesOf(item);
        if (underWay.length > 0 && bytes + more > MOST_BYTES) break;
        bytes += more;
        const result = work(item);
        // The failure is met when its turn comes; until then it is not unhandled.
        result.catch(() => {});
        underWay.push({ item, bytes: more, result });
        next = waiting.next();
      }
      const first = underWay[0];
      if (!first) return;
      const result = await first.result;
      underWay.shift();
      bytes -= first.bytes;
      yield { item: first.item, result };
    }
  } finally {
    await Promise.allSettled(underWay.map(({ result }) => result));
  }
}
