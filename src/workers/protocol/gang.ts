// What every task says of the gang that shares it.

import { GROUP_SCRATCH_BYTES, GROUP_SCRATCH_STRIDE } from '../../kernels/layout.js';
import { offsetBy, type Ptr } from '../../kernels/ptr.js';

export interface GangTask {
  /** Which member of the gang this is, from 0: it picks the member's scratch memory and nothing else. */
  readonly member: number;
  readonly members: number;
}

/** What the pool allots to a member; no two gangs that run share any of it. */
export interface GangContext extends GangTask {
  /** The gang's control words. */
  readonly control: Ptr;
  /** For useScratch: GROUP_SCRATCH_BYTES of this member's own. */
  readonly groupScratch: Ptr;
}

/** The memory of a seat, one for each member of a gang: its group scratch, then control words, which the gang's first seat gives. */
export const SEAT_BYTES = GROUP_SCRATCH_STRIDE;

export const seatControl = (seat: Ptr): Ptr => offsetBy(seat, GROUP_SCRATCH_BYTES);

/** A member's own piece of the memory that a task has for all. */
export const ownScratch = ({
  scratch,
  scratchBytes,
  member,
}: Pick<GangTask, 'member'> & { readonly scratch: Ptr; readonly scratchBytes: number }): Ptr =>
  offsetBy(scratch, member * scratchBytes);
