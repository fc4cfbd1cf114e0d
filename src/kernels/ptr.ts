// Apart from kernels.ts, so that the files which list the kernels need no circle of imports.

/** A byte address in the arena. 0 means "none" where a parameter is optional. */
export type Ptr = number;
