// Properties that are read-only at run time as well.

/**
 * To be called at the end of a constructor: what the object has as properties by then cannot be assigned any more, which
 * throws a TypeError. TypeScript's `readonly` stops nobody who writes JavaScript, and results would silently be others.
 */
export function lockProperties(object: object): void {
  for (const name of Object.keys(object)) Object.defineProperty(object, name, { writable: false });
}
