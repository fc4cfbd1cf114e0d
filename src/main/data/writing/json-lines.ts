// JSON lines: an object a row, each on a line of its own.

import type { RowsOf } from './table.js';

/** Lines are collected to this length, so that short ones do not cost a call each. */
const BLOCK_LENGTH = 1 << 16;

/** As JSON.stringify has it: numbers that are not finite become null. */
export async function* jsonBlocks(objects: RowsOf<object>): AsyncGenerator<string, void, undefined> {
  let block = '';
  for await (const object of objects) {
    block += `${JSON.stringify(object)}\n`;
    if (block.length < BLOCK_LENGTH) continue;
    yield block;
    block = '';
  }
  if (block !== '') yield block;
}
