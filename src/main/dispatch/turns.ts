// Who may start: gangs wait in one line for seats, one for each member, first come first served. A large gang at the head of
// the line holds up the small ones behind it, so nobody waits for ever. The calling thread has a seat of its own: what it does
// itself waits for nobody, unless the two would write what the other uses.
import { offsetBy, type Ptr } from '../../kernels/ptr.js';
import {
  askToStop,
  controlWords,
  type GangContext,
  type GangJob,
  SEAT_BYTES,
  Stop,
  seatControl,
} from '../../workers/protocol.js';
import type { Cancellation } from '../cancellation.js';
import { JobMemory } from './job-memory.js';

export interface JobTurn {
  readonly job: GangJob;
  /** Where arrays begin of which the job works on a part. */
  readonly arrays: readonly Ptr[];
  /** How many members it takes, at least 1; `isAmongOthers`: other jobs run or wait. */
  readonly members: (isAmongOthers: boolean) => number;
  /** Whether it must have all seats, by what is known now, though its members need fewer. */
  readonly needsAll: () => boolean;
  /** Running jobs that yield need not give way to it at once. */
  readonly isPatient: boolean;
  /** The calling thread does it, in its own seat. */
  readonly isHere?: boolean;
}

/** A job from when it asks for its turn until its end, and the seats it has in between. */
export class Gang {
  readonly turn: JobTurn;
  /** It runs, leaves at the next step boundary when asked to, and comes again. */
  yields = false;
  #seats: readonly Ptr[] = [];
  #members = 0;
  #control: Int32Array = new Int32Array(0);
  #isAsked = false;
  #memory: JobMemory | undefined;

  constructor(turn: JobTurn) {
    this.turn = turn;
  }

  get seats(): readonly Ptr[] {
    return this.#seats;
  }

  get control(): Int32Array {
    return this.#control;
  }

  /** Of its members, or of all its seats: each works in a seat of its own, the control words are in the first one. */
  contexts(members = this.#members): readonly GangContext[] {
    return this.#seats.slice(0, members).map((groupScratch, member, [first = groupScratch]) => ({
      member,
      members,
      control: seatControl(first),
      groupScratch,
    }));
  }

  take(seats: readonly Ptr[], members: number, buffer: SharedArrayBuffer): void {
    const [first] = seats;
    if (first === undefined) throw new Error('a gang without a seat');
    this.#seats = seats;
    this.#members = members;
    this.#control = controlWords(buffer, seatControl(first));
  }

  /** Leaves it as many seats as it has members. Gives the others. */
  shrink(): readonly Ptr[] {
    const others = this.#seats.slice(this.#members);
    this.#seats = this.#seats.slice(0, this.#members);
    return others;
  }

  /** It will leave soon. */
  get isAsked(): boolean {
    return this.#isAsked;
  }

  askToYield(): void {
    this.#isAsked = true;
    askToStop(this.#control, Stop.yield);
  }

  /** Whether the two must not run side by side. */
  conflictsWith(other: Gang): boolean {
    return this.#jobMemory.conflictsWith(other.#jobMemory);
  }

  get #jobMemory(): JobMemory {
    this.#memory ??= new JobMemory(this.turn.job, this.turn.arrays);
    return this.#memory;
  }
}

interface Waiter {
  readonly gang: Gang;
  admit(): void;
  reject(reason: unknown): void;
}

export class Turns {
  readonly #buffer: SharedArrayBuffer;
  readonly #count: number;
  readonly #free: Ptr[];
  /** The calling thread's: jobs that are done there may have it at the same time, as each runs at one go. */
  readonly #ownSeat: Ptr;
  /** The oldest first. */
  readonly #running = new Set<Gang>();
  readonly #waiting = new Set<Waiter>();
  /** How many of them are not patient. */
  #impatient = 0;

  /** `seats`: where the memory of `count` seats of workers begins, and then that of the calling thread. */
  constructor(buffer: SharedArrayBuffer, seats: Ptr, count: number) {
    this.#buffer = buffer;
    this.#count = count;
    this.#free = Array.from({ length: count }, (_, seat) => offsetBy(seats, seat * SEAT_BYTES));
    this.#ownSeat = offsetBy(seats, count * SEAT_BYTES);
  }

  get running(): ReadonlySet<Gang> {
    return this.#running;
  }

  /** Resolves when the gang has its seats; rejects with signal.reason. */
  wait(gang: Gang, signal: Cancellation | undefined): Promise<void> {
    const isNext = this.#waiting.size === 0 || gang.turn.isHere;
    if (isNext && this.#seat(gang, this.#running.size > 0)) return Promise.resolve();
    const { isPatient } = gang.turn;
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(waiter);
        if (!isPatient) this.#impatient--;
        signal?.removeListener(onAbort);
      };
      const waiter: Waiter = {
        gang,
        admit: () => {
          leave();
          resolve();
        },
        reject: (reason) => {
          leave();
          reject(reason);
        },
      };
      const onAbort = () => {
        waiter.reject(signal?.reason);
        // Those behind it may need fewer seats.
        this.#admitWaiting();
      };
      this.#waiting.add(waiter);
      if (!isPatient) this.#impatient++;
      signal?.addListener(onAbort);
      this.#makeRoom();
    });
  }

  /** The gang runs: from now on it may be asked to yield. Clears its control words, which nobody else reads any more. */
  begin(gang: Gang, yields: boolean): void {
    gang.control.fill(0);
    gang.yields = yields;
    this.#makeRoom();
  }

  /** Asks a gang that has run for some time to give way, to patient ones too. */
  lookAfter(gang: Gang): void {
    const [head] = this.#waiting;
    if (head === undefined || gang.isAsked) return;
    if (this.#wanted(true) <= this.#coming && !gang.conflictsWith(head.gang)) return;
    gang.askToYield();
    // All seats that the head of the line needs, at once: one that is given back alone would stay empty.
    this.#askFor(this.#needOf(head.gang, true));
  }

  /** Gives back the seats that its members do not need. */
  shrink(gang: Gang): void {
    this.#free.push(...gang.shrink());
    this.#admitWaiting();
  }

  /** Gives back all its seats: its members have left. */
  end(gang: Gang): void {
    this.#running.delete(gang);
    if (!gang.turn.isHere) this.#free.push(...gang.seats);
    this.#admitWaiting();
  }

  rejectAll(reason: unknown): void {
    for (const waiter of [...this.#waiting]) waiter.reject(reason);
  }

  /** Of workers. */
  #needOf({ turn }: Gang, isAmongOthers: boolean): number {
    if (turn.isHere) return 0;
    return turn.needsAll() ? this.#count : turn.members(isAmongOthers);
  }

  /** Gives the gang its seats if they are free. */
  #seat(gang: Gang, isAmongOthers: boolean): boolean {
    const seats = this.#needOf(gang, isAmongOthers);
    if (this.#free.length < seats) return false;
    for (const other of this.#running) if (gang.conflictsWith(other)) return false;
    const taken = gang.turn.isHere ? [this.#ownSeat] : this.#free.splice(-seats);
    gang.take(taken, gang.turn.members(isAmongOthers), this.#buffer);
    this.#running.add(gang);
    return true;
  }

  #admitWaiting(): void {
    for (const waiter of this.#waiting) {
      const isAmongOthers = this.#running.size > 0 || this.#waiting.size > 1;
      if (!this.#seat(waiter.gang, isAmongOthers)) break;
      waiter.admit();
    }
    this.#makeRoom();
  }

  /** Asks gangs to yield, as far as those of the line that are not patient need it. */
  #makeRoom(): void {
    if (this.#impatient === 0) return;
    this.#askFor(this.#wanted(false));
    const [head] = this.#waiting;
    if (head === undefined || head.gang.turn.isPatient) return;
    for (const gang of this.#running) {
      if (gang.yields && !gang.isAsked && gang.conflictsWith(head.gang)) gang.askToYield();
    }
  }

  /** Asks gangs to yield until so many seats are free, or will be soon. */
  #askFor(seats: number): void {
    let coming = this.#coming;
    for (const gang of this.#running) {
      if (coming >= seats) return;
      if (!gang.yields || gang.isAsked) continue;
      gang.askToYield();
      coming += gang.seats.length;
    }
  }

  /** Seats that are free, or will be soon. */
  get #coming(): number {
    let coming = this.#free.length;
    for (const gang of this.#running) if (gang.isAsked) coming += gang.seats.length;
    return coming;
  }

  /** Seats that the line needs, as far as it reaches to the last that is not patient; or to the last of all. */
  #wanted(all: boolean): number {
    let left = all ? this.#waiting.size : this.#impatient;
    let seats = 0;
    for (const { gang } of this.#waiting) {
      if (left === 0 || seats >= this.#count) break;
      seats += this.#needOf(gang, true);
      if (all || !gang.turn.isPatient) left--;
    }
    return Math.min(seats, this.#count);
  }
}
