// A worker on watch: awake between tiny jobs that follow each other closely, and helping the calling thread with each.
import { HelpWord, isOpen, readJob, type SharedJob, type WorkerResult } from './protocol.js';

/** How long a worker is awake for nothing: longer than it takes to come from one call to the next in a loop. */
const AWAKE_MS = 0.1;
/** How long it then sleeps where it can be woken faster than by a message. */
const ASLEEP_MS = 100;
/** Once on watch for so long it does not fall asleep again: a process that has nothing else to do ends only without it. */
const WATCH_MS = 1000;
/** Looks at the offer for one at the clock. */
const LOOKS_A_TIME = 32;

type Run = (job: SharedJob) => WorkerResult;

/** Returns when dismissed, or when nothing has been offered for long. */
export function watch(words: Int32Array, run: Run): void {
  try {
    const end = performance.now() + WATCH_MS;
    while (watchAwake(words, run) && performance.now() < end && sleep(words));
  } finally {
    Atomics.add(words, HelpWord.ended, 1);
  }
}

/** False when dismissed. */
function watchAwake(words: Int32Array, run: Run): boolean {
  let seen = 0;
  let end = performance.now() + AWAKE_MS;
  for (let look = 1; Atomics.load(words, HelpWord.dismissed) === 0; look++) {
    const offer = Atomics.load(words, HelpWord.offer);
    if (isOpen(offer) && offer !== seen) {
      seen = offer;
      help(words, offer, run);
      end = performance.now() + AWAKE_MS;
    } else if (look % LOOKS_A_TIME === 0 && performance.now() > end) {
      return true;
    }
  }
  return false;
}

/** False when nobody has woken it. */
function sleep(words: Int32Array): boolean {
  Atomics.add(words, HelpWord.asleep, 1);
  // The offer is read before `dismissed`, and written after it: nobody sleeps through a dismissal.
  const offer = Atomics.load(words, HelpWord.offer);
  const isDismissed = Atomics.load(words, HelpWord.dismissed) !== 0;
  const woken = isDismissed || Atomics.wait(words, HelpWord.offer, offer, ASLEEP_MS) !== 'timed-out';
  Atomics.sub(words, HelpWord.asleep, 1);
  return woken;
}

function help(words: Int32Array, offer: number, run: Run): void {
  // Entered before the second look, and the calling thread closes the offer before it looks who is inside: one sees the other.
  Atomics.add(words, HelpWord.inside, 1);
  try {
    if (Atomics.load(words, HelpWord.offer) !== offer) return;
    const result = run(readJob(words));
    if (result.state === 'invalidTarget') Atomics.store(words, HelpWord.invalidRow, result.row + 1);
    // Threads are told to end: a shard that it had claimed may be left undone.
    if (result.state === 'stopped') Atomics.store(words, HelpWord.failed, 1);
    Atomics.add(words, HelpWord.helped, 1);
  } catch (cause) {
    Atomics.store(words, HelpWord.failed, 1);
    throw cause;
  } finally {
    Atomics.sub(words, HelpWord.inside, 1);
  }
}
