// A look at JSON of somebody else before it is parsed: parts beyond number and nesting beyond measure are refused at once,
// before they take memory, and before recursion over them ends in a RangeError.

export interface JsonBounds {
  readonly depth: number;
  /** Entries of all arrays and objects together. */
  readonly entries: number;
}

/** Strings may be of any length. What is no JSON is left to the parser. */
export function isWithin({ depth: maxDepth, entries: maxEntries }: JsonBounds, json: string): boolean {
  let depth = 0;
  let entries = 1;
  for (let i = 0; i < json.length; i++) {
    const character = json[i];
    if (character === '"') i = endOfString(json, i);
    else if (character === '[' || character === '{') depth++;
    else if (character === ']' || character === '}') depth--;
    else if (character === ',') entries++;
    if (depth > maxDepth || entries > maxEntries) return false;
  }
  return true;
}

/** Where the string that begins there ends: at the first quote with an even number of backslashes before it. */
function endOfString(json: string, begin: number): number {
  for (let end = json.indexOf('"', begin + 1); end >= 0; end = json.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (json[end - 1 - backslashes] === '\\') backslashes++;
    if (backslashes % 2 === 0) return end;
  }
  return json.length;
}
