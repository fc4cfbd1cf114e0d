import { describe, expect, test } from 'vitest';
import { SoftshardError } from '#softshard/errors.js';
import { ALIGNMENT_BYTES, HEAP_BASE } from '#softshard/kernels/layout.js';
import { offsetBy } from '#softshard/kernels/ptr.js';
import { Arena } from '#softshard/main/memory/arena.js';

const MIB = 1024 * 1024;

describe('Arena', () => {
  test('gives a piece another size where it lies, if what follows is free', () => {
    const arena = new Arena(2 * MIB);
    const before = arena.freeBytes;
    const piece = arena.allocate(1000, 'piece');
    expect(arena.resize(piece, 5000, 'piece')).toBe(true);
    const next = arena.allocate(128, 'next');
    expect(next).toBeGreaterThanOrEqual(piece + 5000);
    expect(arena.resize(piece, 6000, 'piece')).toBe(false);
    expect(arena.resize(piece, 300, 'piece')).toBe(true);
    expect(arena.freeBytes).toBe(before - 384 - 128);
    expect(arena.resize(piece, 5000, 'piece')).toBe(true);
    expect(arena.resize(next, 4 * MIB, 'next')).toBe(false);
    arena.release(piece);
    arena.release(next);
    expect(arena.freeBytes).toBe(before);
    expect(arena.largestFreeBytes).toBe(before);
  });

  test('gives aligned pieces that do not overlap and lie above the control words', () => {
    const arena = new Arena(8 * MIB);
    const sizes = [1, 127, 128, 129, 100_000, 4];
    const ptrs = sizes.map((bytes) => arena.allocate(bytes, 'piece'));
    for (const [index, ptr] of ptrs.entries()) {
      expect(ptr % ALIGNMENT_BYTES).toBe(0);
      expect(ptr).toBeGreaterThanOrEqual(HEAP_BASE);
      const next = ptrs[index + 1];
      if (next !== undefined) expect(next).toBeGreaterThanOrEqual(ptr + sizes[index]!);
    }
  });

  test('joins freed neighbours in any order of freeing, so that all memory can be had in one piece again', () => {
    for (const order of [
      [0, 1, 2, 3],
      [3, 2, 1, 0],
      [1, 3, 0, 2],
      [2, 0, 3, 1],
    ]) {
      const arena = new Arena(2 * MIB);
      const before = arena.freeBytes;
      const ptrs = [0, 1, 2, 3].map(() => arena.allocate(1000, 'piece'));
      for (const index of order) arena.release(ptrs[index]!);
      expect(arena.freeBytes).toBe(before);
      expect(arena.largestFreeBytes).toBe(before);
    }
  });

  test('gives a piece back when its last holder has released it', () => {
    const arena = new Arena(2 * MIB);
    const before = arena.freeBytes;
    const ptr = arena.allocate(1000, 'piece');
    const scope = arena.scope();
    scope.retain(ptr);
    arena.release(ptr);
    expect(arena.freeBytes).toBeLessThan(before);
    expect(arena.allocate(1000, 'another')).not.toBe(ptr);
    scope.release();
    expect(arena.allocate(1000, 'a third')).toBe(ptr);
  });

  test('clears memory that was used before', () => {
    const arena = new Arena(2 * MIB);
    const first = arena.allocate(4096, 'first');
    arena.view('uint8', first, 4096).fill(255);
    arena.release(first);
    const second = arena.allocate(8192, 'second');
    expect(second).toBe(first);
    expect(arena.view('uint8', second, 8192).every((byte) => byte === 0)).toBe(true);
  });

  test('clears memory that was used before an uncleared piece, which keeps what was there', () => {
    const arena = new Arena(2 * MIB);
    const first = arena.allocateUncleared(64, 'piece');
    arena.view('float32', first, 16).fill(7);
    arena.release(first);
    const second = arena.allocateUncleared(64, 'piece');
    expect(second).toBe(first);
    expect(arena.view('float32', second, 16)[15]).toBe(7);
    arena.release(second);
    expect(arena.view('float32', arena.allocate(64, 'piece'), 16)).toEqual(new Float32Array(16));
  });

  test('keeps views made before the memory grew', () => {
    const arena = new Arena(64 * MIB);
    const early = arena.view('float32', arena.allocate(16, 'early'), 4);
    const late = arena.allocate(32 * MIB, 'late');
    early[3] = 7;
    expect(arena.view('float32', offsetBy(late, -ALIGNMENT_BYTES), 4)[3]).toBe(7);
    expect(arena.view('uint8', late, 32 * MIB)[32 * MIB - 1]).toBe(0);
  });

  test('says how much was asked for, used and free when it is full', () => {
    const arena = new Arena(2 * MIB);
    arena.allocate(MIB, 'a matrix');
    const used = arena.usedBytes;
    let error: unknown;
    try {
      arena.allocate(MIB, 'a second matrix');
    } catch (cause) {
      error = cause;
    }
    expect(error).toBeInstanceOf(SoftshardError);
    const { code, message } = error as SoftshardError;
    expect(code).toBe('ERR_ARENA_FULL');
    for (const part of [
      'a second matrix',
      `asked for ${MIB}`,
      `used ${used}`,
      `free ${arena.freeBytes}`,
      'arenaBytes',
    ]) {
      expect(message).toContain(part);
    }
    expect(arena.usedBytes).toBe(used);
  });

  test('a scope gives back all that was allocated through it', () => {
    const arena = new Arena(2 * MIB);
    const before = arena.freeBytes;
    const scope = arena.scope();
    scope.allocate(1000, 'one');
    scope.allocate(2000, 'two');
    expect(arena.freeBytes).toBeLessThan(before);
    scope.release();
    expect(arena.freeBytes).toBe(before);
  });

  test('freeing what is not allocated is a fault of ours and throws', () => {
    const arena = new Arena(2 * MIB);
    const ptr = arena.allocate(10, 'piece');
    arena.release(ptr);
    expect(() => arena.release(ptr)).toThrow(/nothing is allocated/);
  });
});
