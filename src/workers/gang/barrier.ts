// A barrier for the members of a gang, over words in shared memory: a fork and join by messages costs some 150 µs,
// this about 1 µs.
import { ControlWord, Stop } from '../protocol.js';

const nothing = () => {};

export class Barrier {
  readonly #control: Int32Array;
  readonly #members: number;
  readonly #spins: number;

  /** `spins`: how often to look before sleeping. */
  constructor(control: Int32Array, members: number, spins: number) {
    this.#control = control;
    this.#members = members;
    this.#spins = spins;
  }

  /**
   * Waits until all members are here. The last to arrive runs `completion` while the others still wait, so what it
   * writes is seen by all. False when a member has failed: leave at once. `meanwhile`, something short, is called over and
   * over by those that have to wait, before they sleep.
   */
  wait(completion: () => void, meanwhile: () => void = nothing): boolean {
    const control = this.#control;
    // Read before arriving: once we have arrived, the last member may start the next round at any time.
    const generation = Atomics.load(control, ControlWord.generation);
    if (Atomics.add(control, ControlWord.arrived, 1) === this.#members - 1) {
      completion();
      // Reset before the new generation is visible: members may arrive for the next round right after.
      Atomics.store(control, ControlWord.arrived, 0);
      Atomics.add(control, ControlWord.generation, 1);
      Atomics.notify(control, ControlWord.generation);
    } else {
      this.#waitFor(generation, meanwhile);
    }
    return Atomics.load(control, ControlWord.stop) !== Stop.failed;
  }

  #waitFor(generation: number, meanwhile: () => void): void {
    const control = this.#control;
    for (let spin = 0; spin < this.#spins; spin++) {
      if (Atomics.load(control, ControlWord.generation) !== generation) return;
      meanwhile();
    }
    // The generation was read before this look at the stop word, and failGang moves it after setting the word: either
    // we see the failure here, or the wait returns at once.
    while (
      Atomics.load(control, ControlWord.stop) !== Stop.failed &&
      Atomics.load(control, ControlWord.generation) === generation
    ) {
      Atomics.wait(control, ControlWord.generation, generation);
    }
  }
}
