// What reads a file in an attack.

/** Reads the file at `path`, whose bytes these are; throws what the reader throws, or where it accepts what is wrong. */
export type Reading = (path: string, bytes: Buffer, later: Later) => Promise<void>;
/** Takes what is compared with libraries of formats, for whose time a reader is not to be blamed. */
export type Later = (check: () => Promise<void>) => void;
