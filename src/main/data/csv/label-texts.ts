// Labels from bytes to text: a column has few distinct ones, so that most need no new string.

/** Of remembered labels; a power of two. */
const PLACES = 1024;

/** Longer labels are not remembered. */
const MOST_BYTES = 64;

interface Remembered {
  readonly bytes: Uint8Array;
  readonly text: string;
}

export class LabelTexts {
  /** By hash; a label takes the place of another. */
  readonly #places: (Remembered | undefined)[] = Array.from({ length: PLACES }, () => undefined);

  /** The text of bytes [begin, end); undefined if blanks of any kind begin or end it. */
  trimmed(bytes: Buffer, begin: number, end: number): string | undefined {
    if (end - begin > MOST_BYTES) return trimmedText(bytes, begin, end);
    // FNV-1a
    let hash = 0x811c9dc5;
    for (let i = begin; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
    const place = (hash ^ (hash >>> 16)) & (PLACES - 1);
    const found = this.#places[place];
    if (found && isEqual(found.bytes, bytes, begin, end)) return found.text;
    const text = trimmedText(bytes, begin, end);
    if (text !== undefined)
      this.#places[place] = { bytes: Uint8Array.from(bytes.subarray(begin, end)), text };
    return text;
  }
}

function isEqual(known: Uint8Array, bytes: Uint8Array, begin: number, end: number): boolean {
  if (known.length !== end - begin) return false;
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[begin + i]) return false;
  return true;
}

function trimmedText(bytes: Buffer, begin: number, end: number): string | undefined {
  const text = bytes.toString('utf8', begin, end);
  return text.trim() === text ? text : undefined;
}
