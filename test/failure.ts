// What a call that must fail fails with.
import { expect } from 'vitest';
import type { SoftshardError } from '#softshard/main/index.js';

/** The error of a call; fails when there is none. */
export async function failure(call: () => Promise<unknown>): Promise<SoftshardError> {
  try {
    await call();
  } catch (error) {
    return error as SoftshardError;
  }
  return expect.fail('the call did not throw');
}
