// Who may start: gangs wait in one line for seats, one for each member, first come first served. A large gang at the head of
// the line holds up the small ones behind it, so nobody waits for ever.
import type { Ptr } from '../../kernels/ptr.js';
import {
  askToStop,
  controlWords,
  type GangContext,
  type GangJob,
  SEAT_BYTES,
  Stop,
  seatControl,
} from '../../workers/protocol.js';
import type { Cancellation } from './cancellation.js';
import { JobMemory } from './job-memory.js';

/** A job that asks for its turn. */
export class TurnRequest {
  readonly job: GangJob;
  /** Running jobs that yield need not give way to it at once. */
  readonly isPatient: boolean;
  /** How many seats it must have, by what is known now: at least 1. */
  readonly seats: () => number;
  #memory: JobMemory | undefined;

  constructor(job: GangJob, isPatient: boolean, seats: () => number) {
    this.job = job;
    this.isPatient = isPatient;
    this.seats = seats;
  }

  get memory(): JobMemory {
    this.#memory ??= new JobMemory(this.job);
    return this.#memory;
  }
}

/** A job that has its turn, and the seats it has until it ends. */
export class Gang {
  readonly request: TurnRequest;
  readonly seats: Ptr[];
  readonly control: Int32Array;
  /** It runs, leaves at the next step boundary when asked to, and comes again. */
  yields = false;
  #isAsked = false;

  constructor(request: TurnRequest, seats: Ptr[], control: Int32Array) {
    this.request = request;
    this.seats = seats;
    this.control = control;
  }

  /** Of its members: each works in a seat of its own, the gang's control words are in the first one's. */
  contexts(members: number): readonly GangContext[] {
    const control = this.control.byteOffset;
    return this.seats
      .slice(0, members)
      .map((groupScratch, member) => ({ member, members, control, groupScratch }));
  }

  /** It will leave soon. */
  get isAsked(): boolean {
    return this.#isAsked;
  }

  askToYield(): void {
    this.#isAsked = true;
    askToStop(this.control, Stop.yield);
  }
}

interface Waiter {
  readonly request: TurnRequest;
  admit(): void;
  reject(reason: unknown): void;
}

export class Turns {
  readonly #buffer: SharedArrayBuffer;
  readonly #count: number;
  readonly #free: Ptr[];
  /** The oldest first. */
  readonly #running = new Set<Gang>();
  readonly #waiting = new Set<Waiter>();
  /** How many of them are not patient. */
  #impatient = 0;

  /** `seats`: where the memory of `count` seats begins. */
  constructor(buffer: SharedArrayBuffer, seats: Ptr, count: number) {
    this.#buffer = buffer;
    this.#count = count;
    this.#free = Array.from({ length: count }, (_, seat) => seats + seat * SEAT_BYTES);
  }

  get running(): Iterable<Gang> {
    return this.#running;
  }

  get isIdle(): boolean {
    return this.#running.size === 0;
  }

  /** Resolves when it is the request's turn; rejects with signal.reason. */
  take(request: TurnRequest, signal: Cancellation | undefined): Promise<Gang> {
    if (this.#waiting.size === 0 && this.#mayStart(request)) return Promise.resolve(this.#seat(request));
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(waiter);
        if (!request.isPatient) this.#impatient--;
        signal?.removeListener(onAbort);
      };
      const waiter: Waiter = {
        request,
        admit: () => {
          leave();
          resolve(this.#seat(request));
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
      if (!request.isPatient) this.#impatient++;
      signal?.addListener(onAbort);
      this.#makeRoom();
    });
  }

  /** From now on it may be asked to yield. Clears its control words: nobody else reads them any more. */
  begin(gang: Gang, yields: boolean): void {
    gang.control.fill(0);
    gang.yields = yields;
    this.#makeRoom();
  }

  /** Asks a gang that has run for some time to give way, to patient ones too. */
  lookAfter(gang: Gang): void {
    const [head] = this.#waiting;
    if (head === undefined || gang.isAsked) return;
    const isInTheWay = this.#wanted(true) > this.#coming || this.#conflict(gang, head.request);
    if (!isInTheWay) return;
    gang.askToYield();
    // All the seats that the head of the line needs at once: one that is given back alone would stay empty.
    this.#askFor(head.request.seats());
  }

  /** Gives back all seats but `kept`. */
  giveBack(gang: Gang, kept = 0): void {
    if (kept === 0) this.#running.delete(gang);
    this.#free.push(...gang.seats.splice(kept));
    this.#admitWaiting();
  }

  rejectAll(reason: unknown): void {
    for (const waiter of [...this.#waiting]) waiter.reject(reason);
  }

  #mayStart(request: TurnRequest): boolean {
    if (this.#free.length < request.seats()) return false;
    for (const gang of this.#running) if (this.#conflict(gang, request)) return false;
    return true;
  }

  #conflict(gang: Gang, request: TurnRequest): boolean {
    return gang.request.memory.conflictsWith(request.memory);
  }

  #seat(request: TurnRequest): Gang {
    const seats = this.#free.splice(-request.seats());
    const [first] = seats;
    if (first === undefined) throw new Error('a gang starts without a free seat');
    const gang = new Gang(request, seats, controlWords(this.#buffer, seatControl(first)));
    this.#running.add(gang);
    return gang;
  }

  #admitWaiting(): void {
    for (const waiter of this.#waiting) {
      if (!this.#mayStart(waiter.request)) break;
      waiter.admit();
    }
    this.#makeRoom();
  }

  /** Asks gangs to yield, as far as those of the line that are not patient need it. */
  #makeRoom(): void {
    if (this.#impatient === 0) return;
    this.#askFor(this.#wanted(false));
    const [head] = this.#waiting;
    if (head === undefined || head.request.isPatient) return;
    for (const gang of this.#running) {
      if (gang.yields && !gang.isAsked && this.#conflict(gang, head.request)) gang.askToYield();
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
    for (const { request } of this.#waiting) {
      if (left === 0 || seats >= this.#count) break;
      seats += request.seats();
      if (all || !request.isPatient) left--;
    }
    return Math.min(seats, this.#count);
  }
}
