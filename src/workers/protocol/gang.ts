// What every task says of the gang that shares it.

export interface GangTask {
  /** Which member of the gang this is, from 0: it picks the member's scratch memory and nothing else. */
  readonly member: number;
  readonly members: number;
}
